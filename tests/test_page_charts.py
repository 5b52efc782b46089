"""The charts of the page: axes, accuracy against cost, learning curves; small cases by hand."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab2.report.axes import FEWEST, Axis, accuracy_axis, apart, count_axis, linear_axis, log_axis
from lab2.report.costs import COSTS, cost_data, pareto
from lab2.report.curves import curve
from lab2.report.labels import Label, Placed, labels
from lab2.report.page.costs import cost_charts
from lab2.report.page.styles import styles_of
from lab2.report.report import make_report
from lab2.results.collect import collect
from lab2.results.journal import CurvePoint
from lab2.results.shard import write_shard
from tests.conftest import finished, make_run, make_trial


def texts(axis: Axis) -> list[str]:
    return [words for _, words in axis.ticks]


def readable(axis: Axis, least: float, letter: float, fewest: int = FEWEST) -> None:
    """There are enough ticks, whose texts differ and do not touch."""
    assert len(axis.ticks) >= fewest
    assert len(set(texts(axis))) == len(axis.ticks)
    assert max(map(len, texts(axis))) <= len("100,000,000")
    for (place, words), (other, text) in pairwise(axis.ticks):
        assert other - place >= least + letter * (len(words) + len(text)) / 2


class TestAxes:
    def test_equal_distances_are_equal_ratios_of_what_is_wrong(self):
        axis = accuracy_axis([0.5, 0.999], 0, 100, 0.0001)
        steps = np.diff([axis.at(value) for value in (0.9, 0.99, 0.999)])
        assert steps[0] == pytest.approx(steps[1])
        assert {"90", "99", "99.9"} <= {words for _, words in axis.ticks}

    def test_all_right_stands_at_half_an_image_wrong(self):
        axis = accuracy_axis([0.9, 1.0], 0, 100, 0.0005)
        assert axis.at(1.0) == axis.at(0.9995) < 100

    def test_values_that_are_alike_have_ticks_too(self):
        assert len(accuracy_axis([0.9712, 0.9713], 0, 100, 1e-4).ticks) >= FEWEST

    def test_those_of_a_narrow_axis_are_round(self):
        assert texts(accuracy_axis([0.75, 0.92], 138, 22, 1e-4)) == ["90", "85", "80", "75"]
        assert texts(accuracy_axis([0.97, 0.99], 138, 22, 1e-4)) == ["99", "98.5", "98", "97.5", "97"]
        assert texts(accuracy_axis([0.01, 0.2], 138, 22, 1e-4)) == ["25", "20", "15", "10", "5", "0"]

    @given(worst=st.floats(5e-3, 1), ratio=st.floats(1, 1000), narrow=st.booleans())
    def test_an_axis_of_accuracies_can_be_read(self, worst: float, ratio: float, narrow: bool):
        axis = accuracy_axis([1 - worst, 1 - worst / ratio], 138, 22, 1e-6)
        readable(apart(axis, 14), 14, 0)
        across = accuracy_axis([1 - worst, 1 - worst / ratio], 46, 232 if narrow else 410, 1e-6)
        readable(apart(across, 8, 7), 8, 7, FEWEST - narrow)

    @given(low=st.floats(1e-3, 1e3), ratio=st.floats(1, 1e5))
    def test_a_logarithmic_axis_can_be_read(self, low: float, ratio: float):
        readable(apart(log_axis(low, low * ratio, 46, 410), 8, 7), 8, 7)

    @given(most=st.floats(3, 8e6))
    def test_an_axis_of_counts_can_be_read_and_has_equal_steps(self, most: float):
        axis = apart(count_axis(most, 42, 232, "images")[0], 8, 7)
        readable(axis, 8, 7)
        steps = np.diff([place for place, _ in axis.ticks])
        assert steps == pytest.approx(np.full(len(steps), steps[0]))
        assert axis.at(most) <= 232

    def test_where_there_is_no_room_for_all_ticks_some_are_kept(self):
        axis = apart(accuracy_axis([0.5, 0.999], 0, 40, 0.0001), 14)
        assert 1 < len(axis.ticks) < FEWEST

    def test_many_are_counted_in_thousands(self):
        axis, title = count_axis(550_000, 0, 100, "images")
        assert (texts(axis), title) == (["0", "200", "400", "600"], "images (thousands)")
        assert axis.at(600_000) == 100
        few, title = count_axis(9_999, 0, 100, "images")
        assert (texts(few)[-1], title) == ("10,000", "images")
        assert texts(count_axis(7, 0, 100, "settings")[0]) == [str(number) for number in range(11)]

    def test_ticks_are_round(self):
        assert [words for _, words in linear_axis(0, 550_000, 0, 100, 3).ticks] == [
            "0",
            "200,000",
            "400,000",
            "600,000",
        ]
        assert {words for _, words in log_axis(0.1, 3000, 0, 100).ticks} >= {"0.1", "1", "10", "100", "1,000"}
        assert [words for _, words in log_axis(26, 44, 0, 100).ticks] == ["25", "30", "35", "40", "45", "50"]

    def test_nothing_stands_at_the_start_of_a_logarithmic_axis(self):
        assert log_axis(1, 10, 5, 100).at(0) == log_axis(1, 10, 5, 100).at(-3) == 5


class TestCost:
    def frame(self, tmp_path: Path, more: dict[str, dict[str, Any]] | None = None, **costs: float):
        trials = [make_trial(name) for name in costs]
        run = make_run(tmp_path, *trials)
        for trial, accuracy in zip(trials, (0.9, 0.8, 0.95), strict=False):
            fields = {"train_seconds": costs[trial.job.name], **(more or {}).get(trial.job.name, {})}
            write_shard(run.shard(trial.name), finished(trial, accuracy, **fields))
        return make_report(run, collect(run))

    def test_the_front_is_what_nothing_cheaper_beats(self, tmp_path: Path):
        report = self.frame(tmp_path, cnn=10.0, vit=20.0, faster_rcnn=30.0)
        styles = styles_of(report.jobs)
        chart = cost_charts(report.summary, styles)[0]
        assert chart.conclusion == (
            "Training time (seconds) and test accuracy. Nothing that costs as little is more accurate than "
            "cnn (10 s, 90.00%) and faster_rcnn (30 s, 95.00%)."
        )
        assert chart.conclusion in chart.picture

    def test_there_is_no_front_over_times_of_different_machines(self, tmp_path: Path):
        report = self.frame(tmp_path, {"vit": {"device_name": "another", "parameters": 7}}, cnn=10.0, vit=20.0)
        time, parameters = (cost_data(report.summary, cost, log=False) for cost in COSTS[:2])
        assert time is not None
        assert parameters is not None
        assert time.front == ()
        assert "Measured on different machines" in time.conclusion
        assert parameters.front
        styles = styles_of(report.jobs)
        assert 'class="front"' not in cost_charts(report.summary, styles)[0].picture

    def test_a_lower_bound_of_flops_is_not_on_the_front(self, tmp_path: Path):
        fewer = {"cnn": {"flops_per_image": 1e6, "flops_uncounted": "aten::fft"}, "vit": {"flops_per_image": 2e6}}
        report = self.frame(tmp_path, fewer, cnn=10.0, vit=20.0)
        (flops,) = (cost_data(report.summary, cost, log=True) for cost in COSTS if cost.word == "flops")
        assert flops is not None
        assert [point.job for point in flops.front] == ["vit"]
        assert flops.conclusion.endswith("A lower bound, and so not among them: cnn.")
        assert flops.points[0].text.endswith("≥ 1")

    def test_a_cost_of_nothing_has_no_place_on_a_logarithmic_axis(self, tmp_path: Path):
        report = self.frame(tmp_path, cnn=10.0, vit=0.0)
        styles = styles_of(report.jobs)
        log, straight = cost_charts(report.summary, styles)
        assert log.conclusion.endswith("Without a figure here: vit.")
        assert "Without" not in straight.conclusion

    def test_the_interval_of_a_cost_is_a_line_that_ends_at_the_edge_of_the_chart(self, tmp_path: Path):
        trials = [make_trial("cnn", seed=seed) for seed in (1, 2, 3)]
        run = make_run(tmp_path, *trials)
        for trial, seconds in zip(trials, (10.0, 11.0, 30.0), strict=True):
            write_shard(run.shard(trial.name), finished(trial, 0.9, train_seconds=seconds))
        report = make_report(run, collect(run))
        for chart in cost_charts(report.summary, styles_of([trials[0].job])):
            # By hand: 17 ± 4.303 x 11.27 / sqrt(3), which begins at 0 and ends beyond twice the cost.
            assert "90.00% [90.00, 90.00], 17 [0, 45]" in chart.picture
            ends = re.findall(r'x1="([\d.]+)" y1="([\d.]+)" x2="([\d.]+)" y2="\2" class="bar', chart.picture)
            assert max(float(right) - float(left) for left, _, right in ends) > 300

    def test_a_label_keeps_off_marks_and_lines_where_it_can(self):
        one, room = Label(name="cnn", x=100, y=100), (0.0, 0.0, 200.0, 200.0)
        beside = Placed(name="cnn", x=109, y=104, anchor="start")
        assert labels([one], [(100, 100)], [], room) == [beside]
        front = (100.0, 98.0, 200.0, 102.0)
        assert labels([one], [(100, 100)], [front], room) == [replace(beside, y=92)]
        everywhere = (0.0, 0.0, 200.0, 200.0)
        assert labels([one], [(100, 100)], [everywhere], room) == [beside]
        assert labels([one], [(100, 100)], [], (95.0, 95.0, 105.0, 105.0)) == []

    def test_no_point_has_no_front(self):
        assert pareto([]) == []


def point(images: int, accuracy: float) -> CurvePoint:
    return CurvePoint(
        epoch=1, images=images, loss=0.1, validation_accuracy=accuracy, validation_macro_f1=accuracy, train_seconds=1
    )


def test_a_curve_is_the_mean_over_seeds_between_the_lowest_and_the_highest():
    found = curve("cnn", [[point(10, 0.2), point(30, 0.8)], [point(10, 0.4), point(20, 0.5), point(30, 0.6)]])
    assert found.x == (10, 20, 30)
    assert found.middle == pytest.approx((0.3, 0.5, 0.7))  # at 20 the first is at 0.5, between its points
    assert found.low == pytest.approx((0.2, 0.5, 0.6))
    assert found.high == pytest.approx((0.4, 0.5, 0.8))


def test_one_validation_is_said_once():
    assert (
        curve("cnn", [[point(1_000, 0.9)]]).conclusion == "cnn: validation accuracy 90.00% after 1,000 training images."
    )


def test_a_seed_that_ends_before_another_begins_is_left_out_of_the_curve():
    found = curve("cnn", [[point(900, 0.2)], [point(1000, 0.8)]])
    assert (found.x, found.middle) == ((1000,), (0.8,))
    early, late, long = (
        [point(1, 0.1), point(10, 0.2)],
        [point(20, 0.3), point(30, 0.5)],
        [point(5, 0.2), point(30, 0.7)],
    )
    assert curve("cnn", [early, late, long]).x == (20, 30)
