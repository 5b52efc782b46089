"""What learning is worth: a row that is not shown to beat the commonest class is marked wherever it is shown."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from scipy.stats import binomtest

from lab2.measure.predictions import Predictions, write_predictions
from lab2.models.commonest_class import CommonestClassConfig
from lab2.report.caption import remarks
from lab2.report.report import make_report
from lab2.report.summary import summarise
from lab2.report.terminal import terminal_table
from lab2.report.writers import table_csv, table_json, table_md
from lab2.results.collect import collect
from lab2.results.run_dir import RunDir
from lab2.results.shard import write_shard
from lab2.results.statistics import luck
from lab2.spec.job import JobSpec, Trial
from tests.conftest import SMALL, finished, make_run, make_trial

COMMONEST = Trial(job=JobSpec(name="commonest", model=CommonestClassConfig()), data=SMALL, seed=1)


def run_of(folder: Path, rights: dict[Trial, int], images: int = 1000, majority: float | None = 0.7) -> RunDir:
    """A run whose trials have so many right answers of `images`."""
    run = make_run(folder, *rights)
    for trial, right in rights.items():
        shard = finished(trial, right / images, test_images=images, majority_accuracy=majority)
        write_shard(run.shard(trial.name), shard)
    return run


def marked(run: RunDir) -> list[bool]:
    found: list[bool] = summarise(collect(run))["at_chance"].tolist()
    return found


class TestLuck:
    def test_it_is_as_by_hand(self):
        assert luck(10, 10, 0.5) == pytest.approx(1 / 1024)
        assert luck(9, 10, 0.5) == pytest.approx(11 / 1024)
        assert luck(0, 10, 0.5) == 1

    @pytest.mark.parametrize(("right", "count", "share"), [(1, 1, 0.1), (724, 1000, 0.7), (51, 97, 0.4), (3, 50, 0.9)])
    def test_it_is_scipys_exact_test(self, right: int, count: int, share: float):
        assert luck(right, count, share) == pytest.approx(binomtest(right, count, share, "greater").pvalue)


class TestMark:
    def test_it_goes_when_luck_alone_would_seldom_do_as_well(self, tmp_path: Path):
        """Of 1,000 images at 70 %: 724 or more happen by luck with 5.1 %, 725 or more with 4.3 %."""
        assert binomtest(724, 1000, 0.7, "greater").pvalue > 0.05 > binomtest(725, 1000, 0.7, "greater").pvalue
        assert marked(run_of(tmp_path, {make_trial("cnn"): 724, make_trial("vit"): 725})) == [True, False]

    def test_it_is_against_the_runs_own_row_which_is_not_marked(self, tmp_path: Path):
        """The commonest class of the training images is right for 40 %, where the test images' own has 70 %."""
        assert marked(run_of(tmp_path, {make_trial("cnn"): 500, make_trial("vit"): 410, COMMONEST: 400})) == [
            *(False, True, False)
        ]

    def test_of_a_run_without_that_row_it_is_against_the_saved_labels(self, tmp_path: Path):
        """As of an older lab2, which had no such field either: 14 of 20 labels are 0, and 15 answers are right."""
        trial = make_trial()
        run = run_of(tmp_path, {trial: 15}, images=20, majority=None)
        truth = np.array([0] * 14 + [1] * 6)
        answer = np.array([0] * 14 + [1] + [0] * 5)
        write_predictions(run.predictions(trial.name), Predictions(truth, answer, np.eye(2, dtype=np.float32)[answer]))
        (row,) = summarise(collect(run)).to_dict("records")
        assert row["majority_accuracy"] == 0.7
        assert row["at_chance"]

    def test_of_several_seeds_it_is_the_mean_of_the_same_images(self, tmp_path: Path):
        """Not three times as many images: 726 and 724 are 725, 725 and 723 are 724."""
        (tmp_path / "a").mkdir()
        seeds = [make_trial(seed=seed) for seed in (1, 2)]
        assert marked(run_of(tmp_path / "a", dict(zip(seeds, (726, 724), strict=True)))) == [False]
        (tmp_path / "b").mkdir()
        assert marked(run_of(tmp_path / "b", dict(zip(seeds, (725, 723), strict=True)))) == [True]

    def test_where_nothing_is_known_there_is_none(self, tmp_path: Path):
        assert marked(run_of(tmp_path, {make_trial(): 1}, majority=None)) == [False]


class TestWhereItStands:
    @pytest.fixture
    def run(self, tmp_path: Path) -> RunDir:
        return run_of(tmp_path, {make_trial("cnn"): 704, make_trial("vit"): 774, COMMONEST: 704}, majority=0.704)

    NOTE = (
        "† not shown to be better than always naming the commonest class (accuracy 70.40%): p = 0.52, one-sided exact "
        "binomial test at 0.05"
    )

    def test_in_the_terminal_and_below_it(self, run: RunDir):
        summary = summarise(collect(run))
        console = Console(width=120, file=io.StringIO())
        console.print(terminal_table(summary, 120)[0])
        assert isinstance(console.file, io.StringIO)
        lines = [line for line in console.file.getvalue().splitlines() if "%" in line and "[" in line]
        assert ["†" in line for line in lines if "accuracy" not in line] == [True, False, False]
        assert remarks(summary) == [f"cnn: {self.NOTE}"]

    def test_in_each_file(self, run: RunDir):
        report = make_report(run, collect(run))
        rows = list(csv.DictReader(io.StringIO(table_csv(report).decode())))
        assert [(row["at_chance"], row["notes"]) for row in rows] == [("True", self.NOTE), ("False", ""), ("False", "")]
        parsed = json.loads(table_json(report))
        assert [(row["at_chance"], row["notes"]) for row in parsed] == [(True, self.NOTE), (False, ""), (False, "")]
        text = table_md(report).decode()
        assert r"70.40% \[67.50, 73.15\] † |" in text
        assert r"77.40% \[74.71, 79.88\] |" in text
        assert "- cnn: † not shown to be better" in text
