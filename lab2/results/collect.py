"""Merges the shards of a run against its plan: every expected trial is a row, whatever became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd
import pyarrow as pa

from lab2.data.inspect import leaks, read_findings
from lab2.errors import ShardError
from lab2.foreign_text import one_line
from lab2.measure.metrics import METRICS
from lab2.measure.predictions import read_predictions
from lab2.results.run_dir import RunDir
from lab2.results.shard import Shard, Status, read_shard, unfinished
from lab2.results.shard_table import FileStamp, as_csv, as_rows, as_table, read_cache, scan, write_cache
from lab2.results.taken import read_taken
from lab2.spec.job import Trial
from lab2.spec.plan import Plan, some_of

# Of what is kept. On a local disk 100,000 rows are written anew in 0.7 s (profiled, two busy cores); a shard is read
# in less than 0.1 ms (9.6 s for 100,000, benchmarks/results/collect.md).
REWRITE_SHARE = 0.01

# Status and reason of trials without a shard, by name, from whoever launched them.
ExplainMissing = Callable[[Plan, Sequence[Trial]], Mapping[str, tuple[Status, str]]]


@dataclass(frozen=True)
class Comparison:
    """A row for each trial of the plan, in the plan's order, and what is wrong with the files."""

    plan: Plan
    table: pa.Table  # one column a field of `Shard`
    warnings: tuple[str, ...]
    taken: Mapping[str, str] = field(default_factory=dict)  # trials that another run had finished, and which run
    leaks: tuple[str, ...] = ()  # what makes its accuracies say more than they should: it stands above the table

    @property
    def rows(self) -> tuple[Shard, ...]:
        """The table's rows; for many, its columns are faster."""
        return as_rows(self.table)

    def csv(self) -> bytes:
        """The table for programs."""
        return as_csv(self.table)

    @property
    def statuses(self) -> list[str]:
        """Of each row."""
        found: list[str] = self.table["status"].to_pylist()
        return found

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The table for pandas, where a count beside a gap stays a count; to be read, not changed."""
        frame: pd.DataFrame = self.table.to_pandas(types_mapper=pd.ArrowDtype)
        return frame


def collect(run: RunDir, explain_missing: ExplainMissing | None = None) -> Comparison:
    """Read what is there; a shard that cannot be believed is a warning and costs only its own row.

    `explain_missing` says what became of the trials without a shard; without it they have not reported yet.
    Raises `RunError` where the run has no plan.
    """
    plan = run.read_plan()
    warnings: list[str] = []
    reasons: Mapping[str, tuple[Status, str]] = {}
    cache = read_cache(run.collected, len(plan.trials))
    files = scan(run.shards)
    absent = [t for t, name in zip(plan.trials, plan.names, strict=True) if f"{name}.json" not in files]
    if explain_missing and absent:
        reasons = explain_missing(plan, absent)
        files = scan(run.shards)  # a shard that has come in the meantime counts
    fresh: list[Shard] = []
    numbers: list[int] = []  # the row of each trial: of those that are cache, then of the fresh ones
    stamps: list[FileStamp | None] = []  # of the file of each trial's shard; None: there is none that can be believed
    for trial, name in zip(plan.trials, plan.names, strict=True):
        stamp = files.pop(f"{name}.json", None)
        number = cache.number(name, stamp)
        if number is None or not plan.expects(trial, cache.digests[number]):
            number = len(cache) + len(fresh)
            try:
                row = _read(run, plan, trial) if stamp else _unreported(trial, reasons)
            except ShardError as error:
                warnings.append(str(error))
                reason = str(error).removeprefix(f"{run.shard(trial.name)}: ")
                row, stamp = unfinished(trial, "missing", f"its shard cannot be believed: {reason}"), None
            fresh.append(row)
        numbers.append(number)
        stamps.append(stamp)
    warnings += [f"{run.shards / name}: the plan expects no such shard; it is left out" for name in sorted(files)]
    table = pa.concat_tables([cache.table, as_table(fresh)]).take(pa.array(numbers, pa.int64()))
    unknown = sum(stamp is not None and number >= len(cache) for number, stamp in zip(numbers, stamps, strict=True))
    if unknown > REWRITE_SHARE * len(cache):
        write_cache(run.collected, table, stamps)
    warnings += _changed_data(table)
    found = tuple(one_line(text) for one in read_findings(run.findings) for text in leaks(one))
    return Comparison(plan, table, tuple(map(one_line, warnings)), _taken(run, table), found)


def _unreported(trial: Trial, reasons: Mapping[str, tuple[Status, str]]) -> Shard:
    return unfinished(trial, *reasons.get(trial.name, ("missing", "it has not reported yet")))


def _changed_data(table: pa.Table) -> Iterator[str]:
    """A warning for each data set that was not the same for all of its rows."""
    if len(table["dataset_sha256"].drop_null().unique()) < 2:
        return
    trials: dict[str, dict[str, list[str]]] = {}  # by data set, then SHA-256
    columns = (table[column].to_pylist() for column in ("trial", "dataset", "dataset_sha256"))
    for trial, name, digest in zip(*columns, strict=True):
        if digest is not None:
            trials.setdefault(name, {}).setdefault(digest, []).append(trial)
    for name, seen in trials.items():
        if len(seen) > 1:
            parts = [f"{digest[:12]} for {some_of(names)}" for digest, names in seen.items()]
            yield f"{name}: its files changed between trials, whose rows do not compare: SHA-256 {', '.join(parts)}"


def _taken(run: RunDir, table: pa.Table) -> dict[str, str]:
    noted = read_taken(run.taken)
    if not noted:
        return {}
    started = dict(zip(table["trial"].to_pylist(), table["started_at"].to_pylist(), strict=True))
    return {trial: one.run for trial, one in noted.items() if trial in started and started[trial] == one.started_at}


def _read(run: RunDir, plan: Plan, trial: Trial) -> Shard:
    path = run.shard(trial.name)
    shard = read_shard(path)
    if shard.trial != trial.name:
        raise ShardError(f"{path}: a copy of the shard of {shard.trial}")
    if not plan.expects(trial, shard.digest):
        raise ShardError(f"{path}: of another configuration than the plan's; run the trial again")
    return _completed(run, shard)


def _completed(run: RunDir, shard: Shard) -> Shard:
    """`shard` with the metrics that come from predictions and that whoever wrote it did not know."""
    lacking = [metric for metric in METRICS if metric.of and getattr(shard, metric.name) is None]
    if shard.status != "ok" or not lacking:
        return shard
    try:
        predictions = read_predictions(run.predictions(shard.trial))
    except ShardError:
        return shard  # not measured
    return shard.updated(**{metric.name: metric.of(predictions) for metric in lacking if metric.of})
