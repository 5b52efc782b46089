"""Doubtful labels and intervals of figures, from the class probabilities of trials, which are read one at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from lab2.compare.doubtful import Doubts, doubtful
from lab2.compare.figures import blocks_of
from lab2.errors import ComparisonError, ShardError
from lab2.foreign_text import one_line
from lab2.measure.predictions import Predictions, count_probabilities
from lab2.measure.scores import class_probabilities
from lab2.report.finding import Finding
from lab2.report.intervals import RowIntervals, Sums
from lab2.results.correctness import Correctness, aligned_predictions
from lab2.spec.plan import some_of

MOST_OF_A_TRIAL = 20_000_000  # probabilities: a limit on memory
MOST_IN_ALL = 500_000_000  # a limit on time

Output = tuple[str, Predictions, NDArray[np.float64] | None]  # of a trial: its job, and (N, C) probabilities


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outputs:
    """What was found; empty where there is nothing to find."""

    doubts: Doubts | None = None  # None: fewer than two networks gave probabilities
    intervals: Mapping[str, RowIntervals] = field(default_factory=dict)  # by job
    notes: tuple[str, ...] = ()


class _Judges:
    """The mean probabilities of some jobs, each of which counts the same."""

    def __init__(self) -> None:
        self.total: NDArray[np.float32] | None = None  # (N, C)
        self.jobs: list[str] = []
        self.without: list[str] = []  # jobs without probabilities

    def add(self, job: str, sums: NDArray[np.float32] | None, seeds: int) -> None:
        """A job whose seeds' probabilities add up to `sums`; None: it has none."""
        if sums is None:
            self.without.append(job)
            return
        sums /= seeds
        self.total = sums if self.total is None else self.total + sums
        self.jobs.append(job)

    def doubts(self, truth: NDArray[np.int64]) -> Doubts | None:
        """The doubtful ones of the labels `truth`; None where fewer than two jobs judge."""
        if self.total is None or len(self.jobs) < 2:
            return None
        return doubtful(truth, self.total / len(self.jobs))


def read_outputs(finding: Finding) -> Outputs:
    """The doubtful labels of the compared images, and the intervals of figures without a closed form.

    Fitted baselines do not judge labels: a row that recognises few of the images says little of their labels.
    """
    read, judges = finding.read, _Judges()
    if read.truth is None:
        return Outputs()
    blocks, intervals = blocks_of(len(read.truth), read.groups), {}
    try:
        for job, several in groupby(_streamed(read), key=itemgetter(0)):
            sums = Sums(blocks)
            total = _added(several, sums)
            intervals[job] = sums.intervals()
            if job not in finding.fixed:
                judges.add(job, total, sums.seeds)
        doubts = judges.doubts(read.truth)
    except (ShardError, ComparisonError) as error:
        said = "no doubtful labels were looked for, and F1, ECE and log loss have no intervals"
        return Outputs(notes=(one_line(f"{said}: {error}"),))
    notes = (f"not asked which labels are doubtful, without probabilities: {some_of(judges.without)}",)
    return Outputs(doubts=doubts, intervals=intervals, notes=notes if judges.without and doubts else ())


def _streamed(read: Correctness) -> Iterator[Output]:
    """Each trial's output, job by job. Raises `ShardError`, and `ComparisonError` where there is too much."""
    asked = 0
    for trial in read.trials:
        size = count_probabilities(trial.path)
        asked += size
        if size > MOST_OF_A_TRIAL or asked > MOST_IN_ALL:
            raise ComparisonError(
                f"{size:,} probabilities of {trial.trial}, where {MOST_OF_A_TRIAL:,} of a trial and {MOST_IN_ALL:,} of "
                "all are the most"
            )
        predictions = aligned_predictions(trial)
        yield trial.arm, predictions, class_probabilities(predictions)


def _added(several: Iterator[Output], sums: Sums) -> NDArray[np.float32] | None:
    """Add a job's seeds to `sums`; returns the sum of their probabilities, None where one has none."""
    total: NDArray[np.float32] | None = None
    complete = True
    for _, predictions, probabilities in several:
        sums.add(predictions, probabilities)
        if probabilities is None:
            complete = False
        elif total is None:
            total = probabilities.astype(np.float32)
        else:
            total += probabilities
    return total if complete else None
