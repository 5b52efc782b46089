"""Ends a training when its time is spent: the number of its steps follows from the rate that is measured meanwhile.

The schedule of the learning rate ends with the training, whatever the rate. The remaining steps are recomputed at
`MARKS`, so that the training ends on time when another process slows the machine (tests/test_budget.py simulates it:
within 2 %). Each count is written into the run. A later attempt on the same kind of machine repeats the counts that are
written, with the same bits, and measures anew after the last of them; on another kind it measures at once.

Source: Li, Yumer and Ramanan 2020 (arXiv:1905.04753) for a schedule that ends where the budget does.
"""

from __future__ import annotations

from collections.abc import Sequence

from lab2.measure.cost import Stopwatch
from lab2.results.journal import Journal, PacePoint
from lab2.spec.budget import parse_budget
from lab2.spec.job import Trial
from lab2.spec.scaling import HEAD_SHARE
from lab2.train.stage import Step
from lab2.train.trainer import Trainer

# Shares of the budget at which the steps that are left are counted anew.
MARKS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
COUNTED = 2  # steps that are timed for a stage's first rate, after those that take longer


class Pace:
    """The steps of one training within `seconds`. Call `ends` after each step."""

    def __init__(self, seconds: float, machine: str, known: Sequence[PacePoint], journal: Journal) -> None:
        self.seconds, self.machine = seconds, machine
        self.journal = journal
        self.known = {point.step: point.left for point in known if point.machine == machine}
        self.last_known = max(self.known, default=0)
        self.stage = ""
        self.counted = False  # whether this stage has a first count, by an earlier attempt also
        self.first_step, self.first_seconds = 0, 0.0  # of this stage, from which its rate is counted
        self.marked_step, self.marked_seconds = 0, 0.0  # the latest count

    def ends(self, step: Step, watch: Stopwatch, trainer: Trainer) -> bool:
        """Give the stage of `trainer` the steps that fit, where they are due; returns whether it ends with `step`."""
        if trainer.stage_name != self.stage:
            self.stage, self.first_step = trainer.stage_name, step.number - 1 + trainer.uneven_steps
            self.counted = any(trainer.earlier_steps < known <= step.number for known in self.known)
        if step.number <= self.first_step:
            watch.await_device()
            self.first_seconds = watch.seconds
            self.marked_step, self.marked_seconds = step.number, watch.seconds
        if not self._is_due(step.number, watch.seconds):
            return step.last
        watch.await_device()
        left = self.known.get(step.number)
        if left is None:
            left = self._count(step.number, watch.seconds, trainer)
            self.journal.add_pace(PacePoint(step=step.number, left=left, machine=self.machine))
        self.marked_step, self.marked_seconds = step.number, watch.seconds
        trainer.end_in(left)
        return not left

    def _is_due(self, number: int, seconds: float) -> bool:
        if number <= self.last_known:
            return number in self.known
        before, now = self.marked_seconds / self.seconds, seconds / self.seconds
        first = not self.counted and number == self.first_step + COUNTED
        return first or self._is_full(number, seconds) or any(before < mark <= now for mark in MARKS)

    def _is_full(self, number: int, seconds: float) -> bool:
        """Whether less than half a step still fits. A head ends when its own count says."""
        timed = number - self.first_step
        rate = (seconds - self.first_seconds) / timed if timed > 0 else 0.0
        return self.stage != "head" and self.seconds - seconds <= rate / 2

    def _count(self, number: int, seconds: float, trainer: Trainer) -> int:
        """How many more steps of this stage fit into what is left of the time."""
        recent = number - self.marked_step > COUNTED
        since, began = (self.marked_step, self.marked_seconds) if recent else (self.first_step, self.first_seconds)
        rate = (seconds - began) / max(1, number - since)
        if self.stage == "head":  # the features follow, and are what most of the time is for
            return max(1, min(trainer.steps_left, _whole(HEAD_SHARE * self.seconds - seconds, rate)))
        return _whole(self.seconds - seconds, rate)


def pace_of(trial: Trial, machine: str, known: Sequence[PacePoint], journal: Journal) -> Pace | None:
    """The pace of a trial whose budget is time, on a kind of `machine`; None for others."""
    budget = trial.job.train.budget
    if budget is None or not (parsed := parse_budget(budget)).is_time:
        return None
    return Pace(parsed.amount, machine, known, journal)


def _whole(seconds: float, rate: float) -> int:
    """The number of steps of `rate` seconds that is nearest to `seconds`, not below 0."""
    if seconds <= 0:
        return 0
    return round(seconds / rate) if rate > 0 else 1
