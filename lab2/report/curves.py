"""The learning curves of a run: the mean over a row's seeds, with a band from the lowest to the highest of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from lab2.report.chapter import Curve
from lab2.report.report import Report
from lab2.results.journal import CurvePoint, read_history

MOST_POINTS = 60  # of a curve that are drawn
IMAGES_SEEN = "training images seen"  # what x is
MOST_TRIALS = 5000  # whose histories are read


Histories = Mapping[str, Sequence[Sequence[CurvePoint]]]  # by job, of each of its trials that has validated


def read_histories(report: Report) -> Histories:
    """In the order of the plan; baselines have none. None of a run of more than `MOST_TRIALS`."""
    histories: dict[str, list[list[CurvePoint]]] = {}
    if len(report.comparison.plan.trials) > MOST_TRIALS:
        return histories
    for trial in report.comparison.plan.trials:
        if not trial.job.model.fitted and (history := read_history(report.run, trial.name)):
            histories.setdefault(trial.job.name, []).append(history)
    return histories


def curves_of(histories: Histories) -> list[Curve]:
    """A curve a job."""
    return [curve(job, of_seeds) for job, of_seeds in histories.items()]


def curve(job: str, histories: Sequence[Sequence[CurvePoint]]) -> Curve:
    """Mean and range over seeds. Where seeds validated after different numbers of images, values between are linear.

    It ends where the first seed ends. A seed that ends before another begins is left out.
    """
    histories = _overlapping(histories)
    places = sorted({images_seen(point) for history in histories for point in history})
    end = min(max(images_seen(point) for point in history) for history in histories)
    start = max(min(images_seen(point) for point in history) for history in histories)
    x = np.array([place for place in places if start <= place <= end])
    if len(x) > MOST_POINTS:
        x = x[np.unique(np.linspace(0, len(x) - 1, MOST_POINTS).round().astype(int))]
    each = np.stack(
        [
            np.interp(x, [images_seen(p) for p in one], [p.validation_accuracy for p in one])
            for one in map(ordered, histories)
        ]
    )
    middle, low, high = (tuple(one.tolist()) for one in (each.mean(0), each.min(0), each.max(0)))
    images = tuple(x.tolist())
    both = dict.fromkeys((0, len(images) - 1))  # one place if it validated once
    ends = [f"{middle[place]:.2%} after {images[place]:,.0f}" for place in both]
    ends[0] += " training images"
    seeds = len(histories)
    several = f", mean of {seeds} seeds, at the end {low[-1]:.2%} to {high[-1]:.2%}" if seeds > 1 else ""
    conclusion = f"{job}: validation accuracy {', '.join(ends)}{several}."
    return Curve(job=job, conclusion=conclusion, x=images, middle=middle, low=low, high=high)


def _overlapping(histories: Sequence[Sequence[CurvePoint]]) -> list[Sequence[CurvePoint]]:
    """Without those that end first, until the others have a place in common."""
    left = sorted(histories, key=lambda history: max(map(images_seen, history)))
    while max(map(images_seen, left[0])) < max(min(map(images_seen, history)) for history in left):
        left.pop(0)
    return left


def images_seen(point: CurvePoint) -> float:
    """Training images; passes over them in runs that did not count images."""
    return float(point.images or point.epoch)


def ordered(history: Sequence[CurvePoint]) -> list[CurvePoint]:
    """By what had been seen."""
    return sorted(history, key=images_seen)
