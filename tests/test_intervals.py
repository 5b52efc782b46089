"""The intervals of a row's other figures than accuracy: by hand, or by scikit-learn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score

from lab2.measure.predictions import Predictions, write_predictions
from lab2.report import intervals
from lab2.report.report import make_report
from lab2.report.writers import table_csv, table_json
from lab2.results.collect import collect
from lab2.results.run_dir import RunDir
from tests.answered import among, answered, leave, seeds_of
from tests.conftest import make_run

RIGHT = np.random.default_rng(0).random((3, 1000)) < 0.9


def rows_of(run: RunDir) -> dict[str, dict[str, Any]]:
    return {row["job"]: row for row in json.loads(table_json(make_report(run, collect(run))))}


class TestQuality:
    def test_f1_of_one_network_is_the_jackknife_over_blocks_of_images(self, tmp_path: Path):
        """Of 1,000 images 200 blocks of five: the squared error is 199 / 200 of the sum of squared deviations."""
        run = answered(tmp_path, {"a": RIGHT[:1]})
        truth = np.arange(1000) % 10
        answer = np.where(RIGHT[0], truth, (truth + 1) % 10)
        blocks = np.arange(1000) % 200
        without = np.array([f1_score(truth[blocks != j], answer[blocks != j], average="macro") for j in range(200)])
        error = np.sqrt(199 / 200 * ((without - without.mean()) ** 2).sum())
        row = rows_of(run)["a"]
        assert row["macro_f1_method"] == "jackknife over images, of one network"
        value = f1_score(truth, answer, average="macro")
        assert row["macro_f1_high"] - value == pytest.approx(1.972 * error, rel=1e-3)  # t(199)
        assert value - row["macro_f1_low"] == pytest.approx(1.972 * error, rel=1e-3)

    def test_each_names_its_method(self, tmp_path: Path):
        row = rows_of(answered(tmp_path, {"a": RIGHT, "b": RIGHT[:2]}))["a"]
        for name in ("macro_f1", "balanced_accuracy", "log_loss"):
            assert row[f"{name}_method"] == "jackknife over images and seeds"
            assert 0 < row[f"{name}_low"] < row[f"{name}_high"]
        assert row["calibration_error_method"] == "pigeonhole bootstrap over images and seeds (conservative)"
        assert row["calibration_error_low"] < 1 - RIGHT.mean() < row["calibration_error_high"]  # it is always sure

    def test_a_detector_has_none_of_calibration(self, tmp_path: Path):
        run = answered(tmp_path, {"a": RIGHT[:1]})
        truth = np.arange(1000) % 10
        answer = np.where(RIGHT[0], truth, (truth + 1) % 10)
        write_predictions(run.predictions("a-seed1"), Predictions(truth, answer, 0.4 * np.eye(10)[answer]))
        row = rows_of(run)["a"]
        assert row["calibration_error_method"] is None
        assert row["macro_f1_low"] is not None

    def test_a_row_that_is_compared_on_a_part_of_its_images_has_none(self, tmp_path: Path):
        """Its figures are of all its images."""
        a, b = seeds_of("a")[0], seeds_of("b")[0]
        run = make_run(tmp_path, a, b)
        leave(run, a, RIGHT[0])
        leave(run, b, RIGHT[1], order=range(500))
        rows = rows_of(run)
        assert rows["a"]["macro_f1_low"] is rows["a"]["macro_f1_method"] is None
        assert rows["b"]["macro_f1_low"] < rows["b"]["macro_f1_high"]

    def test_what_is_too_large_says_so(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(intervals, "MOST_SUMS", 10_000)  # of two seeds 2 x 200 x 30 are 12,000
        row = rows_of(answered(tmp_path, {"a": RIGHT[:2]}))["a"]
        assert (row["macro_f1_low"], row["macro_f1_method"]) == (None, "none: too many classes for so many seeds")
        assert row["log_loss_low"] is not None

    def test_a_share_stays_within_0_and_1(self, tmp_path: Path):
        row = rows_of(answered(tmp_path, {"a": among(1000, range(999))[None]}))["a"]
        assert row["macro_f1_high"] == 1
        assert row["calibration_error_low"] == 0


class TestCosts:
    def test_are_over_seeds(self, tmp_path: Path):
        """10 and 12 s: 11 -+ t(1) * 1, and t(1) is 12.706; no time is below 0."""
        run = answered(tmp_path, {"a": RIGHT[:2]})
        for trial, seconds in zip(run.read_plan().trials, (10.0, 12.0), strict=True):
            leave(run, trial, RIGHT[trial.seed - 1], train_seconds=seconds)
        row = rows_of(run)["a"]
        assert (row["train_seconds_low"], row["train_seconds_method"]) == (0, "Student's t, over seeds")
        assert row["train_seconds_high"] == pytest.approx(23.706, abs=1e-3)
        assert (
            "train_seconds_low,train_seconds_high,train_seconds_method"
            in table_csv(make_report(run, collect(run))).decode()
        )

    def test_map_has_one_over_seeds_that_says_so_whatever_the_machine(self, tmp_path: Path):
        """0.97 and 0.99: 0.98 -+ t(1) * 0.01, and no share is above 1."""
        run = answered(tmp_path, {"a": RIGHT[:2]})
        for trial, found in zip(run.read_plan().trials, (0.97, 0.99), strict=True):
            leave(run, trial, RIGHT[trial.seed - 1], map_50=found, device_name=f"X{trial.seed}", device="cpu")
        row = rows_of(run)["a"]
        assert row["map_50_low"] == pytest.approx(0.98 - 0.12706, abs=1e-4)
        assert row["map_50_high"] == 1
        assert row["map_50_method"] == "Student's t, over seeds, on these test images alone"

    def test_of_one_seed_or_of_two_machines_have_none(self, tmp_path: Path):
        run = answered(tmp_path, {"a": RIGHT[:2], "b": RIGHT[:1]})
        for trial in run.read_plan().trials:
            leave(run, trial, RIGHT[trial.seed - 1], device_name=f"X{trial.seed}", device="cpu", threads=2)
        rows = rows_of(run)
        assert rows["a"]["train_seconds_low"] is rows["b"]["train_seconds_low"] is None
