"""The 95 % intervals of a row's other figures than accuracy, and how each was found."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lab2.compare.alone import alone
from lab2.compare.figures import (
    Figure,
    balanced_accuracy,
    calibration_error,
    calibration_sums,
    f1_sums,
    macro_f1,
    mean,
    mean_sums,
)
from lab2.compare.resampling import Estimate, jackknife, pigeonhole
from lab2.errors import ComparisonError
from lab2.measure.metrics import ENDS, METRICS, OF_MACHINE
from lab2.measure.predictions import NO_PREDICTION, Predictions
from lab2.measure.scores import losses
from lab2.results.correctness import Correctness
from lab2.results.statistics import over_seeds

# What a row costs. Its interval is over seeds: each trial measured it once, in a process of its own.
COSTS = tuple(name for name in (metric.name for metric in METRICS) if name in OF_MACHINE - {*chain(*ENDS.values())})
# Of detections, which are not kept: how much another seed would change it on these images, and nothing of others.
OF_DETECTIONS = ("map_50", "map_50_95")
OVER_SEEDS = "Student's t, over seeds"
OVER_SEEDS_HERE = "Student's t, over seeds, on these test images alone"
OVER_CALLS = "order statistics (binomial), over the calls of one process"
MOST_SUMS = 10_000_000  # of a row: seeds x blocks of images x sums of a block. A limit on memory


@dataclass(frozen=True, slots=True, kw_only=True)
class _Resampled:
    """A figure of quality, of which sums it is a function, and how its interval is found."""

    metric: str
    sums: str  # of `Sums`
    figure: Figure
    interval: Callable[[NDArray[np.float64], Figure], Estimate]
    most: float = 1.0  # its largest value


RESAMPLED = (
    _Resampled(metric="macro_f1", sums="f1", figure=macro_f1, interval=jackknife),
    _Resampled(metric="balanced_accuracy", sums="f1", figure=balanced_accuracy, interval=jackknife),
    _Resampled(metric="log_loss", sums="losses", figure=mean, interval=jackknife, most=math.inf),
    _Resampled(metric="calibration_error", sums="calibration", figure=calibration_error, interval=pigeonhole),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyInterval:
    """The 95 % interval of a recipe's accuracy on new images, and how many seeds and test images it is found from."""

    low: float
    high: float
    seeds: int
    images: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureInterval:
    """The 95 % interval of a row's figure over seeds and images. Without one the method says why."""

    low: float | None
    high: float | None
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RowIntervals:
    """The intervals of a row, by metric, and what they are computed from."""

    seeds: int
    images: int
    figures: Mapping[str, FigureInterval]


@dataclass(slots=True, eq=False)
class Sums:
    """What the figures of one row's seeds are functions of, summed over blocks of images."""

    blocks: NDArray[np.intp]  # (N,) the block of each image
    seeds: int = 0
    f1: list[NDArray[np.float64]] = field(default_factory=list)  # of each seed (J, M)
    losses: list[NDArray[np.float64]] = field(default_factory=list)
    calibration: list[NDArray[np.float64]] = field(default_factory=list)
    numbers: int = 0

    def add(self, predictions: Predictions, probabilities: NDArray[np.float64] | None) -> None:
        """Another seed: its predictions for the N images, and (N, C) probabilities; None: it has none."""
        self.seeds += 1
        truth, answers = predictions.y_true, predictions.y_pred
        classes = int(truth.max()) + 1  # those with images: no other counts in the mean
        answers = np.where(answers < classes, answers, NO_PREDICTION)
        self.numbers += 3 * classes * (int(self.blocks.max()) + 1)
        if self.numbers > MOST_SUMS:
            self.f1.clear()
        else:
            self.f1 += list(f1_sums(truth, answers[None], classes, self.blocks))
        if probabilities is not None:
            loss = losses(probabilities, predictions.y_true)
            self.losses += list(mean_sums(loss[None], self.blocks))
            sure, right = probabilities.max(1), predictions.right
            self.calibration += list(calibration_sums(sure[None], right[None], self.blocks))

    def intervals(self) -> RowIntervals:
        """The intervals of all figures that each seed has."""
        by_name = {"f1": self.f1, "losses": self.losses, "calibration": self.calibration}
        found = {
            one.metric: self._interval(one, by_name[one.sums])
            for one in RESAMPLED
            if one.sums == "f1" or len(by_name[one.sums]) == self.seeds  # a detector has no probabilities
        }
        return RowIntervals(seeds=self.seeds, images=len(self.blocks), figures=found)

    def _interval(self, one: _Resampled, sums: list[NDArray[np.float64]]) -> FigureInterval:
        if len(sums) < self.seeds:
            return FigureInterval(low=None, high=None, method="none: too many classes for so many seeds")
        try:
            found = one.interval(np.stack(sums), one.figure)
        except ComparisonError as error:  # a single image or group
            return FigureInterval(low=None, high=None, method=f"none: {error}")
        method = found.method if self.seeds > 1 else found.method.replace("images and seeds", "images, of one network")
        return FigureInterval(low=max(0.0, found.low), high=min(one.most, found.high), method=method)


def accuracy_intervals(read: Correctness) -> dict[str, AccuracyInterval]:
    """By job, where it has several seeds and its test images are more than one, or one group."""
    found = {}
    for job, right in read.right.items():
        with suppress(ComparisonError):
            if ends := alone(right, groups=read.groups):
                found[job] = AccuracyInterval(low=ends[0], high=ends[1], seeds=right.shape[0], images=right.shape[1])
    return found


def figures_over_images(good: pd.DataFrame, row: RowIntervals | None) -> dict[str, object]:
    """`<metric>_low`, `_high` and `_method` of each of `RESAMPLED`.

    They are None where the row's figures are not of the images and seeds on which rows are compared.
    """
    whole = row is not None and len(good) == row.seeds and bool((good["test_images"] == row.images).all())
    found: dict[str, object] = {}
    for one in RESAMPLED:
        interval = row.figures.get(one.metric) if row is not None and whole else None
        found[f"{one.metric}_low"] = interval.low if interval else None
        found[f"{one.metric}_high"] = interval.high if interval else None
        found[f"{one.metric}_method"] = interval.method if interval else None
    return found


def figures_over_seeds(good: pd.DataFrame, mixed: bool) -> dict[str, object]:
    """`<metric>_low`, `_high` and `_method` of `COSTS` and `OF_DETECTIONS`, in its unit; None where seeds are too few.

    One seed has that of its latency's percentiles, over the calls that its process measured.

    `good` holds the finished trials of a row. `mixed`: they ran on different machines, so that no cost is averaged.
    """
    found: dict[str, object] = {}
    for name in (*COSTS, *OF_DETECTIONS):
        quality = name in OF_DETECTIONS
        values = good[name].dropna().tolist() if len(good) > 1 and (quality or not mixed) else []
        one = over_seeds(values, 1.0 if quality else math.inf) if len(values) == len(good) > 1 else None
        over = OVER_SEEDS_HERE if quality else OVER_SEEDS
        low, high, method = (one.low, one.high, over) if one else (None, None, None)
        if len(good) == 1 and name in ENDS:
            low, high = (None if pd.isna(end := good[column].iloc[0]) else float(end) for column in ENDS[name])
            method = OVER_CALLS if low is not None else None
        found |= {f"{name}_low": low, f"{name}_high": high, f"{name}_method": method}
    return found
