"""The charts of claims: what a claim concludes is drawn from the same numbers, and said beside it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lab2.compare.joint import Joint
from lab2.report.chapter import Chapter, Chart, Line
from lab2.report.page.chapters import sections
from lab2.report.page.lines import draw_charts
from lab2.report.page.styles import styles_of
from lab2.results.collect import collect
from lab2.results.run_dir import RunDir, create_run
from lab2.results.shard import write_shard
from lab2.spec.job import DataConfig, Trial
from lab2.spec.plan import Plan
from lab2.study import claim as claim_module
from lab2.study.charts import accuracy_lines, by_strength, ends, repeated_line
from lab2.study.claim import Claim, claims
from lab2.study.claims import parameters, scaling, small_data
from lab2.study.evidence import Evidence
from lab2.study.record import record_of, write_record
from lab2.study.report import study_chapter
from lab2.study.stating import state
from tests.answered import among, leave
from tests.conftest import TINY, finished, make_run, make_trial


def line(name: str, *middle: float, job: str = "cnn", x: tuple[float, ...] = ()) -> Line:
    return Line(name=name, job=job, x=x or (1.0, 10.0, 100.0)[: len(middle)], middle=middle, low=middle, high=middle)


class TestDrawn:
    styles = styles_of([make_trial("cnn").job, make_trial("vit").job])

    def drawn(self, *charts: Chart) -> list[str]:
        return [str(one.picture) for one in draw_charts(charts, self.styles, 0.001)]

    def ends(self, picture: str) -> list[list[float]]:
        """The places of the corners of its curves."""
        return [
            [float(n) for n in re.findall(r"-?[\d.]+", d)] for d in re.findall(r'd="M([^"Z]+)" class="curve', picture)
        ]

    def test_a_power_of_a_logarithmic_axis_is_a_straight_line(self):
        """y = x^2: equal steps of x are equal steps of y."""
        chart = Chart(title="t", conclusion="c", x="side", y="ms", lines=(line("a", 1.0, 100.0, 10_000.0),))
        ((x1, y1, x2, y2, x3, y3),) = self.ends(*self.drawn(chart))
        assert (x2 - x1, y1 - y2) == pytest.approx((x3 - x2, y2 - y3), abs=0.2)

    def test_charts_of_one_unit_have_one_axis(self):
        low, high = (
            Chart(title="t", conclusion="c", x="n", y="%", lines=(line("a", *values),))
            for values in ((0.5, 0.6, 0.9), (0.9, 0.95, 0.99))
        )
        first, second = (self.ends(one)[0] for one in self.drawn(low, high))
        assert first[5] == second[1]  # 0.9 stands as high in both

    def test_a_band_is_there_where_there_are_intervals_and_points_have_names(self):
        without = Chart(title="t", conclusion="what it shows", x="n", y="%", lines=(line("a", 0.5, 0.6),))
        (plain,) = self.drawn(without)
        assert ('class="band' in plain, 'aria-label="what it shows"' in plain) == (False, True)
        (banded,) = self.drawn(replace(without, lines=(replace(without.lines[0], high=(0.6, 0.7)),)))
        assert 'class="band' in banded
        points = tuple(
            replace(line(name, y, x=(x,)), low=(y - 0.1,)) for name, y, x in (("one", 0.5, 10.0), ("two", 0.8, 99.0))
        )
        (picture,) = self.drawn(replace(without, lines=points))
        assert ('class="curve' in picture, picture.count('class="bar')) == (False, 2)
        assert re.findall(r">(one|two)</text>", picture) == ["one", "two"]

    def test_lines_have_a_key_and_points_none(self):
        lines, points = (line("a", 0.5, 0.6), line("b", 0.7, 0.8, job="vit")), (line("c", 0.5),)
        charts = tuple(Chart(title="t", conclusion="c", x="n", y="%", lines=those) for those in (lines, points))
        jobs = (make_trial("cnn").job, make_trial("vit").job)
        (found,) = sections([Chapter(name="n", title="t", lead=(), charts=charts, jobs=jobs)], self.styles, 0.001)
        assert dict(found.key) == {"a": self.styles["cnn"], "b": self.styles["vit"]}


class TestMade:
    def test_intervals_are_those_of_the_joint_distribution(self):
        accuracy = Joint(names=("a", "b"), means=np.array([0.7, 0.9]), covariance=np.diag([0.01, 0.02]) ** 2, df=np.inf)
        (found,) = accuracy_lines(accuracy, {"CNN": ["b", "a"]}, [100, 1000])
        assert (found.name, found.job, found.x, found.middle) == ("CNN", "b", (100, 1000), (0.9, 0.7))
        assert found.low == pytest.approx((0.9 - 1.96 * 0.02, 0.7 - 1.96 * 0.01), abs=0.002)
        assert found.high == pytest.approx((0.9 + 1.96 * 0.02, 0.7 + 1.96 * 0.01), abs=0.002)

    def test_repeats_are_a_mean_between_the_least_and_the_most(self):
        found = repeated_line("a", "j", [1, 2], np.array([[1.0, 4.0], [3.0, 8.0]]))
        assert (found.middle, found.low, found.high) == ((2.0, 6.0), (1.0, 4.0), (3.0, 8.0))

    def test_strengths_begin_with_the_clean_images(self):
        means = {"mnist": {"a": 0.9}, "digits": {"a": 0.1}, "pixel_fog 1": {"a": 0.8}, "pixel_fog 2": {"a": 0.5}}
        (found,) = by_strength(means, "mnist", lambda name: f"{name}_mnist")
        assert (found.title, found.scale, found.lines[0].job) == ("pixel fog", "linear", "a_mnist")
        assert (found.lines[0].x, found.lines[0].middle) == ((0, 1, 2), (0.9, 0.8, 0.5))
        assert found.conclusion == "Without it, then at strength 2: a 90.00%, 50.00%."

    def test_the_ends_are_said_of_each_line(self):
        assert ends([line("a", 0.5, 0.6, 0.75), line("b", 0.1, 0.2, 0.3)], "With 1", "with 100 images") == (
            "With 1, then with 100 images: a 50.00%, 75.00%; b 10.00%, 30.00%."
        )


def concluded(run: RunDir, claim: Claim) -> tuple[Chart, ...]:
    return claim.conclude(Evidence(run, collect(run))).charts


def test_small_data_draws_accuracy_against_training_images(tmp_path: Path):
    sizes = (100, 316, 1000)
    trials: dict[Trial, int] = {}
    for place, images in enumerate(sizes):
        for mixed in (False, True):
            for job in ("cnn", "vit"):
                for seed in (1, 2):
                    trial = make_trial(small_data.name_of(job, images, mixed), seed=seed, model=TINY[job])
                    data = DataConfig(train_images=images, train_draw=seed, permutation=28 if mixed else None)
                    wrong = 300 // 3**place + 60 * (job == "vit") + 20 * mixed + seed
                    trials[replace(trial, data=data)] = wrong
    run = make_run(tmp_path, *trials)
    for trial, wrong in trials.items():
        leave(run, trial, among(1000, range(wrong, 1000)))
    in_order, permuted = concluded(run, small_data.CLAIM)
    assert [one.title for one in (in_order, permuted)] == ["Accuracy, pixels in order", "Accuracy, pixels permuted"]
    cnn, vit = in_order.lines
    assert (cnn.name, cnn.x) == ("CNN", sizes)
    assert cnn.middle == pytest.approx((0.6985, 0.8985, 0.9655))  # by hand: 301.5, 101.5 and 34.5 of 1,000 are wrong
    assert vit.middle == pytest.approx((0.6385, 0.8385, 0.9055))
    assert permuted.lines[0].middle == pytest.approx((0.6785, 0.8785, 0.9455))
    assert all(low < middle < high for low, middle, high in zip(cnn.low, cnn.middle, cnn.high, strict=True))
    assert in_order.conclusion.startswith("With 100, then with 1,000 training images: CNN 69.85%, 96.55%; ViT 63.85%")
    assert "The curves do not cross between 100 and 1,000 training images, pixels in order" in in_order.conclusion


def test_scaling_draws_time_and_memory_against_the_side(tmp_path: Path):
    trials: dict[Trial, float] = {}
    for factor in (1, 2, 4):
        for network, power in (("attention", 4), ("convolution", 2)):
            for seed in (1, 2):
                trial = make_trial(f"{network}_{28 * factor}", seed=seed, model=TINY["vit"])
                trials[replace(trial, data=replace(trial.data, enlarge=factor))] = seed * factor**power
    run = make_run(tmp_path, *trials)
    for trial, cost in trials.items():
        write_shard(run.shard(trial.name), finished(trial, train_seconds=cost, peak_memory_bytes=int(cost * 2**20)))
    time, memory = concluded(run, scaling.CLAIM)
    attention, convolution = time.lines
    # By hand: 40 images take 1 or 2 s at the least side, so one takes 25 or 50 ms; attention takes 16 times as long.
    assert (attention.x, attention.low, attention.high) == ((28, 56, 112), (25, 400, 6400), (50, 800, 12800))
    assert convolution.middle == (37.5, 150, 600)
    assert memory.lines[0].low == (1, 16, 256)
    assert ": attention 37.5 ms, 9,600 ms; convolution 37.5 ms, 600 ms." in time.conclusion
    assert "Exponents in pixels: time of attention: 2.00" in time.conclusion
    assert "memory" not in time.conclusion


@pytest.fixture
def networks(tmp_path: Path) -> RunDir:
    """Five networks; the larger, the fewer of 1,000 images are wrong."""
    trials = [make_trial(f"cnn_{n}", seed=seed, model=TINY["cnn"]) for n in range(1, 6) for seed in (1, 2)]
    digests = tuple(trial.digest for trial in trials)
    plan = Plan(run_id="run", created_at="2026", smoke=False, trials=tuple(trials), digests=digests)
    run = create_run(tmp_path, plan)
    for trial in trials:
        n = int(trial.job.name[-1])
        leave(run, trial, among(1000, range(200 // n, 1000)), parameters=1000 * n)
    return run


def test_parameters_draws_a_point_for_each_network(networks: RunDir):
    (found,) = concluded(networks, parameters.CLAIM)
    assert [(one.name, one.x) for one in found.lines] == [(f"cnn_{n}", (1000.0 * n,)) for n in range(1, 6)]
    assert [one.middle[0] for one in found.lines] == pytest.approx([0.8, 0.9, 0.934, 0.95, 0.96])
    assert "Kendall's tau is 1.00" in found.conclusion


def test_the_chapter_of_a_study_has_them_and_the_jobs_that_they_are_of(networks: RunDir, monkeypatch):
    comparison = collect(networks)
    trials = comparison.plan.trials
    claim = replace(claims()["parameters"], plan=lambda size: trials)
    monkeypatch.setattr(claim_module, "claims", lambda: {"parameters": claim})
    monkeypatch.setattr("lab2.study.record.claims", lambda: {"parameters": claim})
    write_record(networks.claim, record_of(claim, "small", trials))
    chapter = study_chapter(state(networks, comparison))
    assert [one.title for one in chapter.charts] == ["Accuracy against parameters"]
    assert {one.name for one in chapter.jobs} == {each.job for one in chapter.charts for each in one.lines}
    (section,) = sections([chapter], styles_of(chapter.jobs), 0.0005)
    assert section.charts[0].conclusion in section.charts[0].picture.unescape()
