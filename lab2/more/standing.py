"""Where the looks at a pair stand. It follows from the plan of looks and the shards alone, whenever one asks."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any

from lab2.compare import comparison as compared
from lab2.compare.comparison import Pair, Verdict
from lab2.errors import ConfigError, RunError
from lab2.more.planned_looks import PlannedLooks, read_looks
from lab2.results.collect import Comparison
from lab2.results.run_dir import RunDir
from lab2.spec.job import Trial
from lab2.spec.plan import Plan, some_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """A pair of the run at the last of its looks that is complete."""

    planned: PlannedLooks
    complete: int  # looks that have all their seeds, from the first on
    pair: Pair | None  # seen from the more accurate one; None: it cannot be compared, or no look is complete

    @property
    def decided(self) -> bool:
        """Whether the last complete look has shown a difference, or that it is less than the margin."""
        return self.pair is not None and self.pair.verdict is not Verdict.OPEN

    @property
    def over(self) -> bool:
        """Whether no further seed is to be added."""
        return self.decided or self.complete == len(self.planned.looks)


def looked_at(planned: PlannedLooks, complete: int, judged: compared.Comparison | None) -> Looked:
    """The pair of `planned` in `judged`, of the seeds of its first `complete` looks."""
    names = {row.name for row in judged.rows} if judged else set()
    pair = None
    if judged and complete and names >= set(planned.decide):
        pair = judged.pair(*planned.decide)
        pair = pair if pair.difference >= 0 else pair.reversed()
    return Looked(planned=planned, complete=complete, pair=pair)


def complete_looks(planned: PlannedLooks, comparison: Comparison) -> int:
    """How many looks, from the first on, have all of their seeds: each of these trials has ended well."""
    good = {
        (trial.job.name, trial.seed)
        for trial, status in zip(comparison.plan.trials, comparison.statuses, strict=True)
        if status == "ok"
    }
    number = 0
    for look in planned.looks:
        if not all((job, seed) in good for job, seeds in look.seeds.items() for seed in seeds):
            break
        number += 1
    return number


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LastLook:
    """A run as of the last complete one of its planned looks."""

    planned: PlannedLooks
    complete: int  # looks that have all their seeds, from the first on
    comparison: Comparison  # of the pair with those seeds alone that this look compares
    waiting: tuple[str, ...]  # finished trials that are not looked at: others of their look are not finished


def last_look(run: RunDir, comparison: Comparison) -> LastLook | None:
    """The collected `run` as of its last look; None: it has no planned looks. Raises `ConfigError`."""
    if not os.path.lexists(run.looks):
        return None
    planned = read_looks(run.looks)
    complete = complete_looks(planned, comparison)
    seen, waiting = _seen_at(planned, comparison, complete)
    return LastLook(planned=planned, complete=complete, comparison=seen, waiting=waiting)


def _seen_at(planned: PlannedLooks, comparison: Comparison, complete: int) -> tuple[Comparison, tuple[str, ...]]:
    """`comparison` with those seeds of the pair alone that its last complete look compares; and the finished others."""
    wanted = planned.seeds(complete)
    trials = comparison.plan.trials
    kept = [trial.job.name not in wanted or trial.seed in wanted[trial.job.name] for trial in trials]
    waiting = [
        trial.name
        for trial, keep, status in zip(trials, kept, comparison.statuses, strict=True)
        if not keep and status == "ok"
    ]
    return comparison.only(kept), tuple(waiting)


def trials_of_look(planned: PlannedLooks, number: int, plan: Plan) -> list[Trial]:
    """The trials of look `number`, from 1: as they are in the plan, else as others of their job with another seed."""
    found = []
    for job, seeds in planned.looks[number - 1].seeds.items():
        known = {trial.seed: trial for trial in plan.trials if trial.job.name == job and not trial.search}
        if not known:
            raise RunError(
                f"run {plan.run_id} has no job {job} any more, for which looks are planned; restore its plan"
            )
        last = list(known.values())[-1]
        found += [known.get(seed) or replace(last, seed=seed) for seed in seeds]
    return found


def grown(run: RunDir, planned: PlannedLooks, number: int) -> Plan:
    """The run's plan with the trials of look `number`; it is written where it has become longer.

    The new trials of a job stand after its others, and read what those read. Call it under the lock of the run.
    """
    plan = run.read_plan()
    known = set(plan.names)
    new = [trial for trial in trials_of_look(planned, number, plan) if trial.name not in known]
    if not new:
        return plan
    has_digests = len(plan.digests) == len(plan.trials)  # plans of older versions have none
    rows: list[tuple[Trial, Any]] = list(zip(plan.trials, plan.digests if has_digests else plan.names, strict=True))
    for trial in new:
        place = max(i for i, (one, _) in enumerate(rows) if one.job.name == trial.job.name) + 1
        rows.insert(place, (trial, trial.digest))
    digests = tuple(digest for _, digest in rows) if has_digests else plan.digests
    plan = replace(plan, trials=tuple(trial for trial, _ in rows), digests=digests)
    run.write_plan(plan)
    return plan


def seeds_at_hand(comparison: Comparison, names: tuple[str, str]) -> dict[str, tuple[int, ...]]:
    """By job, its seeds. Raises `ConfigError` for a job that the run has not, `RunError` where a seed has no result."""
    plan = comparison.plan
    jobs = list(dict.fromkeys(trial.job.name for trial in plan.trials))
    if absent := [name for name in names if name not in jobs]:
        raise ConfigError(f"run {plan.run_id} has no job {', '.join(absent)}; there are: {', '.join(jobs)}")
    found: dict[str, tuple[int, ...]] = dict.fromkeys(names, ())
    lacking = []
    for trial, status in zip(plan.trials, comparison.statuses, strict=True):
        if trial.job.name in found:
            found[trial.job.name] += (trial.seed,)
            if status != "ok":
                lacking.append(f"{trial.name} ({status})")
    if lacking:
        raise RunError(
            f"run {plan.run_id}: {some_of(lacking)} without a result; looks are planned on all seeds of the two: let "
            f"them end, or run them again with lab2 resume {plan.run_id}"
        )
    return found
