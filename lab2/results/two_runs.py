"""The jobs that two runs have in common: their trials, aligned image by image, and which are equal bit for bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lab2.compare.noninferiority import AFTER, BEFORE
from lab2.errors import ShardError
from lab2.measure.predictions import Predictions, read_predictions
from lab2.results.collect import Comparison
from lab2.results.completion import check_predictions
from lab2.results.correctness import MOST_ANSWERS, Correctness, Tested, aligned, answers_of
from lab2.results.run_dir import RunDir
from lab2.results.shard import Shard
from lab2.spec.job import Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two runs, and what was collected of it."""

    name: str  # how texts call it
    run: RunDir
    comparison: Comparison


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialOutcome:
    """A planned trial and its row."""

    trial: Trial
    row: Shard
    predictions: Path

    @property
    def ended_well(self) -> bool:
        """Whether its status is "ok"."""
        return self.row.status == "ok"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SharedJob:
    """A job that both runs have, and what they say of it."""

    name: str
    before: tuple[TrialOutcome, ...]  # one or more
    after: tuple[TrialOutcome, ...]
    correctness: Correctness  # of the arms `BEFORE` and `AFTER`
    same_work: tuple[str, ...]  # trials with the same configuration and seed that ended well in both runs
    same_predictions: tuple[str, ...]  # of these, those whose predictions are equal bit for bit

    @property
    def fixed(self) -> frozenset[str]:
        """The arms that no seed changes."""
        arms = {BEFORE: self.before, AFTER: self.after}
        return frozenset(arm for arm, each in arms.items() if each[0].trial.job.model.fitted)

    @property
    def reproduced(self) -> bool:
        """Whether all that ended well after has the predictions that it had before, bit for bit."""
        good = [one for one in self.after if one.ended_well]
        return bool(good) and len(self.same_predictions) == len(good)

    @property
    def lost(self) -> tuple[TrialOutcome, ...]:
        """The trials that did not end well after, without those that did not end well before either."""
        failed = {one.trial.name for one in self.before if not one.ended_well}
        return tuple(one for one in self.after if not one.ended_well and one.trial.name not in failed)


def read_shared(before: Side, after: Side) -> list[SharedJob]:
    """The jobs that both runs have, by name, in the order of `before`.

    Reads the predictions of their trials. What cannot be read or aligned is noted in the job's correctness.
    """
    sides = [_by_job(side) for side in (before, after)]
    shared = [name for name in sides[0] if name in sides[1]]
    tested = {
        name: [
            _tested(one, arm, side.name)
            for arm, side, jobs in ((BEFORE, before, sides[0]), (AFTER, after, sides[1]))
            for one in jobs[name]
            if one.ended_well
        ]
        for name in shared
    }
    answers, most = sum(answers_of(trials) for trials in tested.values()), 2 * MOST_ANSWERS
    too_many = f"not compared: {answers:,} answers on test images, where {most:,} are the most"
    found = []
    for name in shared:
        old, new = sides[0][name], sides[1][name]
        if answers > most:
            correctness = Correctness(notes=(too_many,))
        else:
            correctness = aligned((BEFORE, AFTER), tested[name], other_data=True)
        pairs = _same_work(old, new)
        same = tuple(two.trial.name for one, two in pairs if are_equal(one, two))
        found.append(SharedJob(
            name=name, before=old, after=new, correctness=correctness,
            same_work=tuple(two.trial.name for _, two in pairs), same_predictions=same,
        ))  # fmt: skip
    return found


def _by_job(side: Side) -> dict[str, tuple[TrialOutcome, ...]]:
    """The trials of a run by job, in the plan's order."""
    found: dict[str, list[TrialOutcome]] = {}
    for trial, row in zip(side.comparison.plan.trials, side.comparison.rows, strict=True):
        one = TrialOutcome(trial=trial, row=row, predictions=side.run.predictions(trial.name))
        found.setdefault(trial.job.name, []).append(one)
    return {name: tuple(each) for name, each in found.items()}


def _tested(one: TrialOutcome, arm: str, run: str) -> Tested:
    row = one.row
    return Tested(
        name=f"{one.trial.name} of {run}", arm=arm, predictions=one.predictions, accuracy=row.accuracy,
        test_images=row.test_images, dataset_sha256=row.dataset_sha256, data=one.trial.data,
    )  # fmt: skip


def _same_work(
    before: Sequence[TrialOutcome], after: Sequence[TrialOutcome]
) -> list[tuple[TrialOutcome, TrialOutcome]]:
    """The trials that ended well in both runs and were to compute the same."""
    known = {_digest(one.trial): one for one in before if one.ended_well}
    found = [(known.get(_digest(one.trial)), one) for one in after if one.ended_well]
    return [(old, new) for old, new in found if old is not None]


def _digest(trial: Trial) -> str:
    """The digest of a trial, wherever its data set lies; of a baseline whatever its seed, which changes nothing."""
    inputs = {f"data {Path(name).name}" if name.startswith("data ") else name: of for name, of in trial.inputs.items()}
    data = replace(trial.data, dataset=Path(trial.data.dataset).name)
    return replace(trial, data=data, inputs=inputs, seed=0 if trial.job.model.fitted else trial.seed).digest


def are_equal(one: TrialOutcome, other: TrialOutcome) -> bool:
    """Whether both have the same labels, answers and probabilities, and the same images as far as both say."""
    try:
        first, second = _predictions(one), _predictions(other)
    except ShardError:  # the correctness notes it
        return False
    return all(
        np.array_equal(a, b) if a is not None and b is not None else a is b  # both have none: imported without
        for a, b in (
            (first.y_true, second.y_true),
            (first.y_pred, second.y_pred),
            (first.probabilities, second.probabilities),
        )
    ) and (first.images is None or second.images is None or np.array_equal(first.images, second.images))


def _predictions(one: TrialOutcome) -> Predictions:
    found = read_predictions(one.predictions)
    check_predictions(found, one.predictions, one.row.accuracy, one.row.test_images)
    return found
