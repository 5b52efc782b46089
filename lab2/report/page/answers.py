"""What the networks said: read once from the predictions of each trial, and summed over the seeds of each job.

Shapes: N test images, K classes, S seeds, W wanted images.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lab2.errors import ShardError
from lab2.measure.predictions import NO_PREDICTION, Predictions, read_predictions
from lab2.measure.scores import CALIBRATION_BINS, confidence_bins
from lab2.report.report import Report
from lab2.results.completion import check_predictions
from lab2.results.correctness import MOST_ANSWERS
from lab2.spec.plan import some_of

LARGEST_MATRIX = 20  # classes of a confusion matrix that is shown whole
MOST_CONFUSIONS = 15  # that are named of a larger one
UNKNOWN = -2  # of an image that a trial was not tested on


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JobAnswers:
    """The answers of one job's finished trials."""

    trials: tuple[str, ...]  # S
    f1: NDArray[np.float64]  # (K,), of the sums over seeds; NaN for a class without a test image
    images: NDArray[np.int64]  # (K,) test images of each class
    matrix: NDArray[np.float64] | None  # (K, K + 1) images by true class and answer, mean over seeds; last: no answer
    confusions: tuple[tuple[int, int, float], ...]  # the commonest mistakes: true class, answer, images a seed
    # (3, bins of confidence): images, sums of confidence, right answers; over seeds. None: scores are no probabilities
    bins: NDArray[np.float64] | None
    said: NDArray[np.int64]  # (S, W) what each seed said of each wanted image; `UNKNOWN`: it was not asked
    boxes: NDArray[np.float32]  # (W, 4) a detector's, of the first seed; NaN where there is none

    @property
    def seeds(self) -> int:
        """S."""
        return len(self.trials)

    def most_said(self, place: int) -> list[int]:
        """What most seeds said of that wanted image: several answers at a tie, none where nobody was asked."""
        if place >= self.said.shape[1]:
            return []
        asked = self.said[:, place][self.said[:, place] != UNKNOWN]
        labels, counts = np.unique(asked, return_counts=True)
        return [int(label) for label in labels[counts == counts.max(initial=0)]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answers:
    """By job; and what could not be read."""

    jobs: Mapping[str, JobAnswers] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def classes(self) -> int:
        """K: the most that a job has."""
        return max((len(one.f1) for one in self.jobs.values()), default=0)


def read_answers(report: Report, wanted: NDArray[np.uint64]) -> Answers:
    """Of all finished trials. `wanted`: (W,) identities of images of which each job's answer is kept."""
    frame = report.comparison.frame
    good = frame[frame["status"] == "ok"]
    answers = int(good["test_images"].sum() or 0)
    if answers > MOST_ANSWERS:
        too_many = f"{answers:,} answers on test images, where {MOST_ANSWERS:,} are the most"
        return Answers(notes=(f"classes and calibration are not shown: {too_many}",))
    found: dict[str, JobAnswers] = {}
    refused: list[str] = []
    for job, rows in good.groupby("job", sort=False):
        summed: _Sums | None = None
        columns = (rows[name] for name in ("trial", "accuracy", "test_images", "classes"))
        for trial, accuracy, images, classes in zip(*columns, strict=True):
            path = report.run.predictions(trial)
            try:
                predictions = read_predictions(path)
                check_predictions(predictions, path, accuracy, images)
                scores = predictions.probabilities  # None where they were imported without
                if scores is None and pd.isna(classes):
                    raise ShardError(f"{path}: of a number of classes that is not known")
                summed = summed or _Sums(int(classes) if scores is None else scores.shape[1], len(wanted))
                summed.add(str(trial), predictions, wanted)
            except (ShardError, OSError):
                refused.append(trial)
        if summed is not None and summed.trials:
            found[str(job)] = summed.result()
    note = f"without predictions that can be read, so not in classes and calibration: {some_of(refused)}"
    return Answers(jobs=found, notes=(note,) if refused else ())


class _Sums:
    """Sums over the seeds of a job."""

    def __init__(self, classes: int, wanted: int) -> None:
        self.trials: list[str] = []
        self.matrix = np.zeros((classes, classes + 1))
        self.bins: NDArray[np.float64] | None = np.zeros((3, CALIBRATION_BINS))
        self.said: list[NDArray[np.int64]] = []
        self.boxes = np.full((wanted, 4), np.nan, np.float32)

    def add(self, trial: str, predictions: Predictions, wanted: NDArray[np.uint64]) -> None:
        """Raises `ShardError` where it has other classes than the seeds before."""
        truth, answer, scores = predictions.y_true, predictions.y_pred, predictions.probabilities
        classes = len(self.matrix)
        if (scores is not None and scores.shape[1] != classes) or max(truth.max(), answer.max()) >= classes:
            raise ShardError(f"other classes than {classes}")
        self.trials.append(trial)
        self.said.append(np.full(len(wanted), UNKNOWN))
        column = np.where(answer == NO_PREDICTION, classes, answer)
        flat = np.bincount(truth * (classes + 1) + column, minlength=self.matrix.size)
        self.matrix += flat.reshape(self.matrix.shape)
        self._add_confidence(predictions)
        for number, place in _places(predictions, wanted):
            self.said[-1][number] = answer[place]
            if predictions.boxes is not None and len(self.trials) == 1:
                self.boxes[number] = predictions.boxes[place]

    def _add_confidence(self, predictions: Predictions) -> None:
        scores = predictions.probabilities
        if self.bins is None or scores is None or not np.allclose(scores.sum(1), 1, atol=0.01):
            self.bins = None  # a detector's scores, or none
            return
        sure = scores.max(1).astype(np.float64) / scores.sum(1)
        place = confidence_bins(sure)
        for row, weights in enumerate((None, sure, predictions.right)):
            self.bins[row] += np.bincount(place, weights, CALIBRATION_BINS)

    def result(self) -> JobAnswers:
        classes = len(self.matrix)
        images, right = self.matrix.sum(1), self.matrix.diagonal()
        answered = self.matrix[:, :classes].sum(0)
        f1 = np.divide(2 * right, images + answered, out=np.full(classes, np.nan), where=images > 0)
        seeds = len(self.trials)
        mean = self.matrix / seeds
        wrong = mean.copy()
        np.fill_diagonal(wrong, 0)
        order = np.argsort(-wrong, axis=None, kind="stable")[:MOST_CONFUSIONS]
        worst = [(int(i // (classes + 1)), int(i % (classes + 1))) for i in order]
        return JobAnswers(
            trials=tuple(self.trials),
            f1=f1,
            images=(images / seeds).round().astype(np.int64),
            matrix=mean if classes <= LARGEST_MATRIX else None,
            confusions=tuple((i, j, float(wrong[i, j])) for i, j in worst if wrong[i, j] > 0),
            bins=self.bins,
            said=np.stack(self.said),
            boxes=self.boxes,
        )


def _places(predictions: Predictions, wanted: NDArray[np.uint64]) -> Iterator[tuple[int, int]]:
    """The number of each wanted image that was tested on, and where it is; of twins the first."""
    if predictions.images is None or not len(wanted):
        return
    order = np.argsort(predictions.images, kind="stable")
    places = np.searchsorted(predictions.images, wanted, sorter=order)
    for number, place in enumerate(places.tolist()):
        if place < len(order) and predictions.images[order[place]] == wanted[number]:
            yield number, int(order[place])
