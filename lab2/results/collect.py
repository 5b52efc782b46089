"""Merges the shards of a run against its plan: every expected trial is a row, whatever became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from lab2.errors import ShardError
from lab2.results.columns import Mark, as_rows, as_table, keep, look, read_known
from lab2.results.run_dir import RunDir
from lab2.results.shard import Shard, Status, read_shard
from lab2.spec.job import Trial
from lab2.spec.plan import Plan


@dataclass(frozen=True, slots=True)
class Comparison:
    """A row for each trial of the plan, in the plan's order, and what is wrong with the files."""

    plan: Plan
    table: pa.Table  # one column a field of `Shard`
    warnings: tuple[str, ...]

    @property
    def rows(self) -> tuple[Shard, ...]:
        """The table's rows; for many, its columns are faster."""
        return as_rows(self.table)

    def frame(self) -> pd.DataFrame:
        """The table for pandas, where a count beside a gap stays a count."""
        frame: pd.DataFrame = self.table.to_pandas(types_mapper=pd.ArrowDtype)
        return frame


def collect(run: RunDir, told: Mapping[str, tuple[Status, str]] | None = None) -> Comparison:
    """Read what is there; a shard that cannot be believed is a warning and costs only its own row.

    `told` says of trials without a shard what became of them, for those who know: status and reason.
    Raises `RunError` where the run has no plan.
    """
    plan = run.read_plan()
    warnings: list[str] = []
    known = read_known(run.collected)
    files = look(run.shards)
    fresh: list[Shard] = []
    numbers: list[int] = []  # the row of each trial: of those that are known, then of the fresh ones
    marks: list[Mark | None] = []  # of the file of each trial's shard; None: there is none that can be believed
    for trial in plan.trials:
        mark = files.pop(f"{trial.name}.json", None)
        number = known.number(trial.name, mark)
        if number is None or not plan.expects(trial, known.digests[number]):
            number = len(known) + len(fresh)
            try:
                row = _read(run, plan, trial) if mark else _without_shard(trial, told)
            except ShardError as error:
                warnings.append(str(error))
                reason = str(error).removeprefix(f"{run.shard(trial.name)}: ")
                row, mark = unfinished(trial, "missing", f"its shard cannot be believed: {reason}"), None
            fresh.append(row)
        numbers.append(number)
        marks.append(mark)
    warnings += [f"{run.shards / name}: the plan expects no such shard; it is left out" for name in sorted(files)]
    table = pa.concat_tables([known.table, as_table(fresh)]).take(pa.array(numbers, pa.int64()))
    if any(mark and number >= len(known) for number, mark in zip(numbers, marks, strict=True)):
        keep(run.collected, table, marks)
    return Comparison(plan=plan, table=table, warnings=tuple(warnings))


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


def _without_shard(trial: Trial, told: Mapping[str, tuple[Status, str]] | None) -> Shard:
    return unfinished(trial, *(told or {}).get(trial.name, ("missing", "it has not reported yet")))


def _read(run: RunDir, plan: Plan, trial: Trial) -> Shard:
    path = run.shard(trial.name)
    shard = read_shard(path)
    if shard.trial != trial.name:
        raise ShardError(f"{path}: a copy of the shard of {shard.trial}")
    if not plan.expects(trial, shard.digest):
        raise ShardError(f"{path}: of another configuration than the plan's; run the trial again")
    return shard
