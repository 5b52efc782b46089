"""Time to target: how long each row trained until it was as accurate on validation images as was wanted.

A training validates now and then, so this is the time of the first validation that shows it, and the training may have
been there before. A row of which only some seeds arrived has no mean: it would be of the lucky ones.

Source: Coleman et al. 2017, "DAWNBench"; Mattson et al. 2020 (arXiv:1910.01500), MLPerf's time to train.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from lab2.measure.metrics import seconds as seconds_text
from lab2.report.curves import Histories
from lab2.report.report import Report
from lab2.results.journal import CurvePoint
from lab2.results.shard import PLACE

# Where no target is asked for, it is one of these, in [0, 1].
TARGETS = (0.999, 0.998, 0.995, 0.99, 0.98, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)
MOST_NAMED = 6  # rows, in the conclusion, that did or did not arrive


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """When the seeds of a row reached a target."""

    target: float  # [0, 1]
    seconds: tuple[float, ...]  # of the seeds that did
    seeds: int  # all that validated, or of the row's own target: all that ended well
    best: float | None  # the best validation accuracy of any seed; None: not known

    @property
    def mean(self) -> float | None:
        """Over the seeds; None unless all arrived."""
        return sum(self.seconds) / self.seeds if self.seconds and len(self.seconds) == self.seeds else None

    @property
    def text(self) -> str:
        """For a person."""
        if not self.seconds:
            return "not reached" + (f", best {self.best:.2%}" if self.best is not None else "")
        least, most = seconds_text(min(self.seconds)), seconds_text(max(self.seconds))
        between = least if least == most else f"{least.removesuffix(' s')} to {most}"
        if self.mean is None:
            return f"{len(self.seconds)} of {self.seeds} seeds: {between}"
        return seconds_text(self.mean) + (f" [{between}]" if self.seeds > 1 else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetRow:
    """One row: the common target, and its own where it has one."""

    job: str
    common: Arrival
    own: Arrival | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """The rows, those that reached the common target first, the fastest before the others."""

    target: float
    why: str  # this target
    rows: tuple[TargetRow, ...]
    conclusion: str
    note: str  # empty where there is none

    @property
    def ends(self) -> tuple[float, float] | None:
        """The shortest and the longest time to the common target that is above 0; None where no seed arrived."""
        found = [value for row in self.rows for value in row.common.seconds if value > 0]
        return (min(found), max(found)) if found else None


def time_to_target(report: Report, histories: Histories, target: float | None = None) -> Targets | None:
    """Of the rows that validated; `target` in [0, 1], else the one of `common_target`. None where nothing is to say."""
    common = target if target is not None else common_target(histories)
    if common is None:
        return None
    rows = [
        TargetRow(job=job, common=_arrival(trials, common), own=_own(report.comparison.frame, job))
        for job, trials in histories.items()
    ]
    rows.sort(key=_place)
    why = "as asked for"
    if target is None:
        why = "the highest round accuracy that all seeds of at least half of the rows reached"
    note = _note(report.comparison.frame, histories)
    return Targets(target=common, why=why, rows=tuple(rows), conclusion=_conclusion(common, rows), note=note)


def common_target(histories: Histories) -> float | None:
    """The highest of `TARGETS` that every trial of at least half of the rows reached; None where there is none."""
    worst = sorted((min(map(_best, trials)) for trials in histories.values()), reverse=True)
    if not worst:
        return None
    half = worst[(len(worst) - 1) // 2]  # what so many rows have, or more
    return next((target for target in TARGETS if target <= half), None)


def seconds_to(history: Sequence[CurvePoint], target: float) -> float | None:
    """The training time of the first validation at `target` or above; None: there is none."""
    return min((point.train_seconds for point in history if point.validation_accuracy >= target), default=None)


def _arrival(trials: Sequence[Sequence[CurvePoint]], target: float) -> Arrival:
    found = (seconds_to(history, target) for history in trials)
    return Arrival(
        target=target,
        seconds=tuple(value for value in found if value is not None),
        seeds=len(trials),
        best=max(map(_best, trials)),
    )


def _own(frame: pd.DataFrame, job: str) -> Arrival | None:
    """The target of the job, as its trials recorded when they reached it."""
    good = frame[(frame["job"] == job) & (frame["status"] == "ok") & frame["target_accuracy"].notna()]
    if good.empty:
        return None
    seconds = tuple(float(value) for value in good["seconds_to_target"].dropna())
    return Arrival(target=float(good["target_accuracy"].iloc[0]), seconds=seconds, seeds=len(good), best=None)


def _best(history: Sequence[CurvePoint]) -> float:
    return max(point.validation_accuracy for point in history)


def _place(row: TargetRow) -> tuple[int, float, str]:
    """Those that arrived by their mean, those of which some seeds did, then the others by their best."""
    common = row.common
    if common.mean is not None:
        return 0, common.mean, row.job
    if common.seconds:
        return 1, min(common.seconds), row.job
    return 2, -(common.best or 0.0), row.job


def _conclusion(target: float, rows: Sequence[TargetRow]) -> str:
    return f"Validation accuracy of {100 * target:.4g} %: {'; '.join(_named(rows))}."


def _named(rows: Sequence[TargetRow]) -> Iterator[str]:
    arrived = [row for row in rows if row.common.mean is not None]
    partly = [row for row in rows if row.common.seconds and row.common.mean is None]
    never = [row for row in rows if not row.common.seconds]
    for some, words in ((arrived, "{0} after {1}"), (partly, "{0} in {1}"), (never, "{0} {1}")):
        for row in some[:MOST_NAMED]:
            value = row.common.mean
            yield words.format(row.job, seconds_text(value) if value is not None else row.common.text)
        if len(some) > MOST_NAMED:
            yield f"{len(some) - MOST_NAMED} more rows {'did not reach it' if some is never else 'did'}"


def _note(frame: pd.DataFrame, jobs: Collection[str]) -> str:
    """What has to be known of times that were taken on several machines."""
    good = frame[frame["job"].isin(list(jobs)) & (frame["status"] == "ok")]
    machines = good[list(PLACE)].drop_duplicates()
    several = len(machines) > 1 or bool(good["all_machines"].notna().any())
    return (
        "These trainings ran on different machines or threads: their times say little of the rows." if several else ""
    )
