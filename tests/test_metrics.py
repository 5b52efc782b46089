"""The list of metrics: what is computed from predictions is right, and old runs have it too."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import sklearn.metrics
import torch
from torchmetrics.classification import MulticlassCalibrationError

from lab2.measure.metrics import METRICS, Metric
from lab2.measure.predictions import NO_PREDICTION, Predictions, write_predictions
from lab2.measure.scores import balanced_accuracy, calibration_error, log_loss
from lab2.report.summary import summarise
from lab2.results.collect import collect
from lab2.results.run_dir import RunDir
from lab2.results.shard import SCHEMA, read_shard, unfinished, write_shard
from tests.conftest import finished, make_run, make_trial

OLD_RUN = Path(__file__).parent / "shards" / "run-0.1.0"  # by `lab2 train` at 350f218c9066


def predictions(seed: int, images: int = 500, classes: int = 5) -> Predictions:
    """Of a network that is surer than it is right."""
    random = np.random.default_rng(seed)
    truth = random.choice(classes, images, p=[0.4, 0.3, 0.2, 0.05, 0.05])
    scores = random.normal(0, 2, (images, classes))
    scores[np.arange(images), truth] += 1.5
    shares = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    return Predictions(truth, shares.argmax(1), shares.astype(np.float32))


class TestScores:
    @pytest.mark.parametrize("seed", [1, 2, 3])
    def test_they_are_those_of_others(self, seed: int):
        p = predictions(seed)
        assert p.probabilities is not None
        assert balanced_accuracy(p) == sklearn.metrics.balanced_accuracy_score(p.y_true, p.y_pred)
        assert log_loss(p) == pytest.approx(sklearn.metrics.log_loss(p.y_true, p.probabilities), rel=1e-6)
        theirs = MulticlassCalibrationError(num_classes=5, n_bins=15, norm="l1")
        wanted = theirs(torch.from_numpy(p.probabilities), torch.from_numpy(p.y_true))
        assert calibration_error(p) == pytest.approx(float(wanted), rel=1e-5)

    def test_by_hand(self):
        shares = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.2, 0.8]], dtype=np.float32)
        p = Predictions(np.array([0, 1, 1, 1]), np.array([0, 0, 0, 1]), shares)
        assert balanced_accuracy(p) == pytest.approx((1 + 1 / 3) / 2)
        assert log_loss(p) == pytest.approx(-(math.log(0.9) + math.log(0.1) + math.log(0.4) + math.log(0.8)) / 4)
        # Bins of 1/15: two at 0.9 of which one is right, one at 0.6 that is wrong, one at 0.8 that is right.
        assert calibration_error(p) == pytest.approx((2 * abs(0.9 - 0.5) + 0.6 + (1 - 0.8)) / 4)

    def test_a_probability_on_the_edge_of_two_bins_is_in_the_lower(self):
        shares = np.array([[0.2, 0.8], [0.75, 0.25]])  # both in (11/15, 12/15]
        p = Predictions(np.array([0, 1]), np.array([0, 0]), shares)
        assert calibration_error(p) == pytest.approx(abs(0.8 + 0.75 - 1) / 2)

    def test_a_right_answer_that_was_impossible_costs_what_a_file_can_say(self):
        p = Predictions(np.array([0]), np.array([1]), np.array([[0.0, 1.0]], dtype=np.float32))
        assert log_loss(p) == pytest.approx(24 * math.log(2))  # float16's least is 2^-24

    def test_a_detectors_scores_are_no_probabilities(self):
        scores = np.array([[0.9, 0.8], [0.0, 0.0]], dtype=np.float32)
        p = Predictions(np.array([0, 1]), np.array([0, NO_PREDICTION]), scores)
        assert (log_loss(p), calibration_error(p)) == (None, None)
        assert balanced_accuracy(p) == 0.5

    def test_a_class_without_images_takes_no_part(self):
        p = Predictions(np.array([0, 0, 2]), np.array([0, 1, 2]), None)
        assert balanced_accuracy(p) == 0.75


class TestOldRuns:
    def test_a_run_of_an_older_lab2_gains_what_comes_from_predictions(self, tmp_path: Path):
        shutil.copytree(OLD_RUN, tmp_path / "run")
        comparison = collect(RunDir(tmp_path / "run"))
        (row,) = comparison.rows
        assert comparison.warnings == ()
        assert (row.accuracy, row.macro_f1) == (0.18, 0.08886942595465692)  # as it was written
        assert row.balanced_accuracy == pytest.approx(0.18, abs=0.05)  # as many images of each class, nearly
        assert math.log(10) * 0.9 < row.log_loss < math.log(10) * 1.1  # it has learnt next to nothing
        assert row.calibration_error < 0.1
        (line,) = summarise(comparison).to_dict("records")
        assert line["calibration_error"] == row.calibration_error

    def test_where_its_predictions_are_gone_they_are_not_measured(self, tmp_path: Path):
        shutil.copytree(OLD_RUN, tmp_path / "run")
        shutil.rmtree(tmp_path / "run" / "predictions")
        (row,) = collect(RunDir(tmp_path / "run")).rows
        assert (row.accuracy, row.balanced_accuracy, row.log_loss) == (0.18, None, None)

    def test_they_count_as_soon_as_they_have_come(self, tmp_path: Path):
        shutil.copytree(OLD_RUN, tmp_path / "run")
        (tmp_path / "run" / "predictions").rename(tmp_path / "later")
        (before,) = collect(RunDir(tmp_path / "run")).rows  # and is cached
        (tmp_path / "later").rename(tmp_path / "run" / "predictions")
        (after,) = collect(RunDir(tmp_path / "run")).rows
        (cached,) = collect(RunDir(tmp_path / "run")).rows
        assert before.log_loss is None
        assert after.log_loss == cached.log_loss
        assert after.log_loss > 2

    @pytest.mark.parametrize("images", [7, 100])
    def test_those_of_another_trial_are_not_believed(self, tmp_path: Path, images: int):
        shutil.copytree(OLD_RUN, tmp_path / "run")
        run = RunDir(tmp_path / "run")
        labels = np.zeros(images, dtype=np.int64)
        write_predictions(run.predictions("cnn-seed1"), Predictions(labels, labels, np.ones((images, 1), np.float32)))
        for _ in range(2):
            comparison = collect(run)
            (row,) = comparison.rows
            assert (row.accuracy, row.balanced_accuracy, row.log_loss) == (0.18, None, None)
            (warning,) = comparison.warnings
            assert f"{images} images, a share of 1.000000 right, but its shard says 100 and 0.18;" in warning

    def test_a_shard_that_says_no_accuracy_gets_it(self, tmp_path: Path):
        trial = make_trial()
        run = make_run(tmp_path, trial)
        labels = np.array([0, 1])
        write_predictions(run.predictions(trial.name), Predictions(labels, labels, np.eye(2, dtype=np.float32)))
        write_shard(run.shard(trial.name), unfinished(trial, "ok", ""))
        (row,) = collect(run).rows
        assert (row.accuracy, row.test_images, row.log_loss) == (1.0, 2, 0.0)

    def test_a_detector_has_no_calibration_even_where_its_scores_add_up_to_1(self, tmp_path: Path):
        trial = make_trial("faster_rcnn")
        run = make_run(tmp_path, trial)
        truth = np.array([0, 1])
        scores = np.array([[0.997, 0.003], [0.003, 0.997]], dtype=np.float32)
        write_predictions(run.predictions(trial.name), Predictions(truth, truth, scores))
        write_shard(run.shard(trial.name), finished(trial, 1.0, test_images=2))
        (row,) = collect(run).rows
        assert (row.balanced_accuracy, row.calibration_error, row.log_loss) == (1.0, None, None)

    def test_what_a_run_measured_itself_stays(self, tmp_path: Path):
        trial = make_trial()
        run = make_run(tmp_path, trial)
        write_shard(run.shard(trial.name), finished(trial, 0.5, balanced_accuracy=0.25))
        (row,) = collect(run).rows
        assert row.balanced_accuracy == 0.25


def test_no_two_metrics_share_a_name_or_a_title():
    for of in (lambda metric: metric.name, lambda metric: metric.title or metric.name):
        get: Callable[[Metric], str] = of
        assert len({get(metric) for metric in METRICS}) == len(METRICS)


def test_each_older_shard_is_still_read():
    paths = [path for path in (Path(__file__).parent / "shards").rglob("*.json") if path.name != "plan.json"]
    assert {json.loads(path.read_text())["row"]["schema"] for path in paths} == set(range(1, SCHEMA + 1))
    assert all(read_shard(path).status == "ok" for path in paths)
