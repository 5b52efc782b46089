"""Whether verdicts stand without the images whose label is doubtful. Which are doubtful is by hand."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from lab2.measure.predictions import Predictions, write_predictions
from lab2.models.commonest_class import CommonestClassConfig
from lab2.report import outputs
from lab2.report.report import Report, make_report
from lab2.report.writers import doubtful_csv, markdown
from lab2.results.collect import collect
from lab2.results.run_dir import RunDir
from lab2.spec.job import JobSpec, Trial
from tests.answered import among, answered, leave
from tests.conftest import SMALL, make_run, make_trial

# Labels are 0 to 9 in turn; a wrong answer is the next class, with probability 1. Nobody is right about images 0 to
# 499, and a alone about the next 50. Each class's threshold is (0 * 50 + 5 / 3 + 45) / 100 = 0.467; the next class has
# 1 on the first 500 images and 2/3 on the next 50: their labels are doubtful.
HARD = {"a": among(1000, range(500, 1000)), "b": among(1000, range(550, 1000)), "c": among(1000, range(550, 1000))}
CHANGES = (
    "550 of 1,000 test labels are doubtful (confident learning; doubtful.csv names them); without them the verdicts of "
    "2 pairs change: a, b: better -> equivalent; a, c: better -> equivalent"
)


def report_of(run: RunDir) -> Report:
    return make_report(run, collect(run))


def of_seeds(rights: dict[str, np.ndarray], seeds: int = 2) -> dict[str, np.ndarray]:
    return {name: right[None].repeat(seeds, 0) for name, right in rights.items()}


def listed(report: Report) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(doubtful_csv(report).decode())))


def test_verdicts_that_change_are_named(tmp_path: Path):
    report = report_of(answered(tmp_path, of_seeds(HARD)))
    assert report.finding.notes == (CHANGES,)
    assert "550 of 1,000 test labels" in markdown(report)


def test_that_none_changes_is_said(tmp_path: Path):
    """Both are wrong about images 0 to 19; b about 50 more, of which a knows the label."""
    report = report_of(
        answered(tmp_path, of_seeds({"a": among(1000, range(20, 1000)), "b": among(1000, range(70, 1000))}))
    )
    assert report.finding.notes == (
        "20 of 1,000 test labels are doubtful (confident learning; doubtful.csv names them); without them no verdict "
        "changes",
    )
    rows = listed(report)
    assert sorted(int(row["place"]) for row in rows) == list(range(20))
    first = next(row for row in rows if row["place"] == "13")
    assert (first["image"], first["label"], first["says"]) == (f"{13:016x}", "3", "4")
    assert (float(first["probability"]), float(first["probability_of_label"])) == (1, 0)


def test_that_no_label_is_doubtful_is_said(tmp_path: Path):
    rights = {"a": among(1000, range(10, 1000)), "b": among(1000, range(10), range(60, 1000))}
    report = report_of(answered(tmp_path, of_seeds(rights)))
    assert report.finding.notes == ("none of the 1,000 test labels is doubtful (confident learning)",)
    assert listed(report) == []


def test_groups_stay_cases(tmp_path: Path):
    """All that tells a from b lies in five groups of ten images: nothing is shown with them, and nothing without."""
    report = report_of(answered(tmp_path, of_seeds(HARD), margin=0.1, groups=np.arange(1000) // 10))
    assert "come in 100 groups" in report.finding.notes[0]
    assert "550 of 1,000 test labels are doubtful" in report.finding.notes[1]
    assert report.finding.notes[1].endswith("without them no verdict changes")


def test_the_order_in_which_trials_read_the_images_does_not_matter(tmp_path: Path):
    run = answered(tmp_path, of_seeds(HARD))
    order = np.random.default_rng(0).permutation(1000)
    for trial in run.read_plan().trials:
        if trial.seed == 2:
            leave(run, trial, HARD[trial.job.name], order=order)
    assert report_of(run).finding.notes == (CHANGES,)


def test_each_architecture_counts_the_same_however_many_seeds_it_has(tmp_path: Path):
    """c is wrong about half of the images: 1/2 for the next class, threshold 3/4. By trials: 5/6, 7/12."""
    rights = {"a": np.ones((1, 1000), bool), "c": among(1000, range(500, 1000))[None].repeat(5, 0)}
    assert report_of(answered(tmp_path, rights)).finding.notes[0].startswith("none of the 1,000")


class TestWhoJudges:
    def test_a_row_without_probabilities_is_left_out_with_a_word(self, tmp_path: Path):
        run = answered(tmp_path, of_seeds(HARD, 1))
        right = HARD["c"]
        truth = np.arange(1000) % 10
        answer = np.where(right, truth, (truth + 1) % 10)
        scores = 0.4 * np.eye(10, dtype=np.float32)[answer]  # of boxes: they do not add up to 1
        found = Predictions(truth, answer, scores, np.arange(1000, dtype=np.uint64))
        write_predictions(run.predictions("c-seed1"), found)
        notes = report_of(run).finding.notes
        assert notes[0] == "not asked which labels are doubtful, without probabilities: c"
        assert "test labels are doubtful" in notes[1]

    def test_baselines_do_not(self, tmp_path: Path):
        baseline = Trial(job=JobSpec(name="commonest", model=CommonestClassConfig()), data=SMALL, seed=1)
        trial = make_trial("cnn")
        run = make_run(tmp_path, trial, baseline)
        for one in (trial, baseline):
            leave(run, one, HARD["a"])
        report = report_of(run)
        assert (report.doubts, report.finding.notes) == (None, ())

    def test_one_row_says_nothing(self, tmp_path: Path):
        report = report_of(answered(tmp_path, {"a": HARD["a"][None]}))
        assert (report.doubts, report.finding.notes) == (None, ())
        assert doubtful_csv(report) == b"image,place,label,says,probability,probability_of_label\n"

    def test_more_than_can_be_read_is_said(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(outputs, "MOST_IN_ALL", 25_000)
        report = report_of(answered(tmp_path, of_seeds(HARD, 1)))
        assert report.finding.notes == (
            "no doubtful labels were looked for, and F1, ECE and log loss have no intervals: 10,000 probabilities of "
            "c-seed1, where 20,000,000 of a trial and 25,000 of all are the most",
        )
