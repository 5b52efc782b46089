"""Merges the shards of a run against its plan: every expected trial is a row, whatever became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

import pandas as pd

from lab2.errors import ShardError
from lab2.results.run_dir import RunDir
from lab2.results.shard import Shard, Status, read_shard
from lab2.spec.job import Trial
from lab2.spec.plan import Plan


@dataclass(frozen=True, slots=True)
class Comparison:
    """A row for each trial of the plan, in the plan's order, and what is wrong with the files."""

    plan: Plan
    rows: tuple[Shard, ...]
    warnings: tuple[str, ...]

    def frame(self) -> pd.DataFrame:
        """One line a row, one column a field of `Shard`."""
        return pd.DataFrame([asdict(row) for row in self.rows], columns=[f.name for f in fields(Shard)])


def collect(run: RunDir, told: Mapping[str, tuple[Status, str]] | None = None) -> Comparison:
    """Read what is there; a shard that cannot be believed is a warning and costs only its own row.

    `told` says of trials without a shard what became of them, for those who know: status and reason.
    Raises `RunError` where the run has no plan.
    """
    plan = run.read_plan()
    warnings: list[str] = []
    known = told or {}
    rows = [_row(run, plan, trial, known.get(trial.name), warnings) for trial in plan.trials]
    expected = {run.shard(trial.name).name for trial in plan.trials}
    for path in sorted(run.shard("x").parent.glob("*.json")):
        if path.name not in expected and not path.name.startswith("."):
            warnings.append(f"{path}: the plan expects no such shard; it is left out")
    return Comparison(plan=plan, rows=tuple(rows), warnings=tuple(warnings))


def unfinished(trial: Trial, status: Status, reason: str) -> Shard:
    """A row that says only what was asked for, and why there is no more."""
    return Shard(
        trial=trial.name,
        job=trial.job.name,
        architecture=trial.job.model.architecture,
        dataset=trial.data.dataset,
        seed=trial.seed,
        digest=trial.digest,
        status=status,
        reason=reason,
    )


def _row(run: RunDir, plan: Plan, trial: Trial, told: tuple[Status, str] | None, warnings: list[str]) -> Shard:
    path = run.shard(trial.name)
    if not path.exists():
        return unfinished(trial, *(told or ("missing", "it has not reported yet")))
    try:
        shard = read_shard(path)
        if shard.trial != trial.name:
            raise ShardError(f"{path}: a copy of the shard of {shard.trial}")
        if not plan.expects(trial, shard.digest):
            raise ShardError(f"{path}: of another configuration than the plan's; run the trial again")
    except ShardError as error:
        warnings.append(str(error))
        return unfinished(trial, "missing", f"its shard cannot be believed: {str(error).removeprefix(f'{path}: ')}")
    return shard
