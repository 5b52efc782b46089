"""Time to target: small histories by hand, the page's section and the figure."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from lab2.report.curves import read_histories
from lab2.report.page.styles import styles_of
from lab2.report.page.targets import target_section
from lab2.report.report import Report, make_report
from lab2.report.targets import common_target, seconds_to, time_to_target
from lab2.results.collect import collect
from lab2.results.journal import CurvePoint, Journal
from lab2.results.shard import write_shard
from tests.conftest import finished, make_run, make_trial
from tests.paged import Page, page_of

# Of each seed its validations: seconds of training and accuracy.
VALIDATED = {
    "cnn": [[(1.0, 0.85), (2.0, 0.91), (3.0, 0.96)], [(1.0, 0.92), (2.0, 0.96), (3.0, 0.955)]],
    "vit": [[(10.0, 0.7), (20.0, 0.9)], [(10.0, 0.6), (20.0, 0.89)]],
    "faster_rcnn": [[(30.0, 0.97)], [(40.0, 0.955)]],
}


def history(points: list[tuple[float, float]]) -> list[CurvePoint]:
    return [
        CurvePoint(
            epoch=1, images=int(100 * seconds), loss=0.1, validation_accuracy=accuracy, validation_macro_f1=accuracy,
            train_seconds=seconds,
        )
        for seconds, accuracy in points
    ]  # fmt: skip


HISTORIES = {job: [history(seed) for seed in seeds] for job, seeds in VALIDATED.items()}


def report(folder: Path, **more: object) -> Report:
    """A run with these histories; the CNN has a target of its own, which one of its seeds missed."""
    trials = [
        make_trial(name, seed=seed, **({"target_accuracy": 0.999} if name == "cnn" else {}))
        for name in VALIDATED
        for seed in (1, 2)
    ]
    run = make_run(folder, *trials)
    for trial in trials:
        journal = Journal(run, trial.name)
        for point in HISTORIES[trial.job.name][trial.seed - 1]:
            journal.add(point)
        own = {"target_accuracy": 0.999, "seconds_to_target": 7.0 if trial.seed == 1 else None}
        write_shard(run.shard(trial.name), finished(trial, **(own if trial.job.name == "cnn" else {}), **more))
    return make_report(run, collect(run))


def test_the_first_validation_at_the_target_counts_and_a_later_loss_does_not():
    assert seconds_to(HISTORIES["cnn"][1], 0.96) == 2.0
    assert seconds_to(HISTORIES["cnn"][1], 0.92) == 1.0
    assert seconds_to(HISTORIES["cnn"][1], 0.961) is None


def test_the_common_target_is_the_highest_that_all_seeds_of_half_of_the_rows_reached():
    # The worst seeds had 0.96, 0.89 and 0.955: two of three rows have 0.955 or more.
    assert common_target(HISTORIES) == 0.95
    assert common_target({"cnn": HISTORIES["cnn"], "vit": HISTORIES["vit"]}) == 0.95  # one of two
    assert common_target({"vit": HISTORIES["vit"]}) == 0.8
    assert common_target({"vit": [history([(1.0, 0.05)])]}) is None
    assert common_target({}) is None


def test_the_fastest_row_stands_first_and_what_never_arrived_says_its_best(tmp_path: Path):
    found = time_to_target(made := report(tmp_path), read_histories(made))
    assert found is not None
    assert [(row.job, row.common.seconds, row.common.mean) for row in found.rows] == [
        ("cnn", (3.0, 2.0), 2.5),
        ("faster_rcnn", (30.0, 40.0), 35.0),
        ("vit", (), None),
    ]
    assert found.conclusion == (
        "Validation accuracy of 95 %: cnn after 2.5 s; faster_rcnn after 35 s; vit not reached, best 90.00%."
    )
    assert found.ends == (2.0, 40.0)
    own = found.rows[0].own
    assert own is not None
    assert (own.target, own.text) == (0.999, "1 of 2 seeds: 7.0 s")
    assert found.rows[1].own is None


def test_a_row_of_which_one_seed_arrived_has_no_mean(tmp_path: Path):
    found = time_to_target(made := report(tmp_path), read_histories(made), 0.9)
    assert found is not None
    vit = next(row.common for row in found.rows if row.job == "vit")
    assert (vit.seconds, vit.mean, vit.text) == ((20.0,), None, "1 of 2 seeds: 20 s")


def test_times_of_different_machines_are_said_not_to_compare(tmp_path: Path):
    made = report(tmp_path, device_name="Xeon")
    assert time_to_target(made, read_histories(made)).note == ""
    run, trial = made.run, made.comparison.plan.trials[0]
    write_shard(run.shard(trial.name), finished(trial, device_name="EPYC"))
    mixed = make_report(run, collect(run))
    assert "different machines" in time_to_target(mixed, read_histories(mixed)).note


def test_the_page_has_a_chart_and_a_table_of_all_rows(tmp_path: Path):
    page = Page(page_of(report(tmp_path).run))
    assert page.text("table", id="targets").count("not reached, best 90.00%") == 1
    assert ["95 %" in text for text in page.all_texts("th") if text.startswith("time to")] == [True, False]
    assert "99.9 %" in page.text("table", id="targets")
    assert any("vit not reached" in (of.get("aria-label") or "") for name, of in page.elements if name == "svg")


def test_where_no_seed_arrives_there_is_a_table_and_no_chart(tmp_path: Path):
    made = report(tmp_path)
    found = time_to_target(made, read_histories(made), 1.0)
    section = target_section(found, styles_of(trial.job for trial in made.comparison.plan.trials))
    assert section is not None
    assert (section.picture, section.targets.ends) == (None, None)
    assert len(section.targets.rows) == 3


@pytest.mark.skipif(find_spec("matplotlib") is None, reason="matplotlib is not installed: NOT drawn here")
def test_the_target_of_a_figure_can_be_asked_for(tmp_path: Path, run_cli):
    report(tmp_path / "runs")
    code, said, _ = run_cli("plot", "target", "run", "--target", "90", "--format", "svg", "--size", "column")
    assert (code, "Validation accuracy of 90 %:" in said, "as asked for" in said) == (0, True, True)
    code, _, warned = run_cli("plot", "target", "run", "--target", "100")
    assert (code, "none has reached that accuracy" in warned) == (2, True)
    assert "--target 0: wanted per cent" in run_cli("plot", "target", "run", "--target", "0")[2]
    assert "--target is for target" in run_cli("plot", "cost", "run", "--target", "90")[2]
