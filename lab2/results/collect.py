"""Merges the shards of a run by its plan: every planned trial is a row, also one that failed or left no shard."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import compress

import pandas as pd
import pyarrow as pa

from lab2.data.findings import Findings, leaks, read_findings
from lab2.errors import DataError, ShardError
from lab2.foreign_text import one_line
from lab2.results.completion import complete, incomplete_rows
from lab2.results.run_dir import RunDir
from lab2.results.shard import Shard, Status, read_shard, unfinished
from lab2.results.shard_table import FileStamp, as_csv, as_rows, as_table, read_cache, scan, write_cache
from lab2.results.taken import read_taken
from lab2.spec.job import Trial
from lab2.spec.plan import Plan, some_of

# The cache is written again if the new shards are more than this share of its rows. On a local disk 100,000 rows are
# written in 0.7 s (profiled, two busy cores); a shard is read in less than 0.1 ms (9.6 s for 100,000,
# benchmarks/results/collect.md).
REWRITE_SHARE = 0.01

# A function that gives status and reason, by trial, of the trials that left no shard. The launcher provides it.
ExplainMissing = Callable[[Plan, Sequence[Trial]], Mapping[str, tuple[Status, str]]]


@dataclass(frozen=True)
class Comparison:
    """A row for each trial of the plan, in the plan's order, and warnings about unusable or changed files."""

    plan: Plan
    table: pa.Table  # a column for each field of `Shard`
    warnings: tuple[str, ...]
    taken: Mapping[str, str] = field(default_factory=dict)  # by trial: the run from which its result was copied
    leaks: tuple[str, ...] = ()  # test images that were also trained on, in one sentence each; shown above the table

    @property
    def rows(self) -> tuple[Shard, ...]:
        """The table's rows as `Shard`s. With many rows it is faster to use the columns of `table`."""
        return as_rows(self.table)

    def csv(self) -> bytes:
        """The table as CSV, with a header."""
        return as_csv(self.table)

    def tested(self) -> Comparison | None:
        """The rows of trials that are tested: without those of a search. None where there are none yet."""
        kept = [not trial.search for trial in self.plan.trials]
        if all(kept):
            return self
        return self.kept(kept) if any(kept) else None

    def kept(self, keep: Sequence[bool]) -> Comparison:
        """The rows of those trials, one or more, for which `keep` is true."""
        digests = tuple(compress(self.plan.digests, keep))
        plan = replace(self.plan, trials=tuple(compress(self.plan.trials, keep)), digests=digests)
        return replace(self, plan=plan, table=self.table.filter(pa.array(keep)))

    @property
    def statuses(self) -> list[str]:
        """The status of each row."""
        statuses: list[str] = self.table["status"].to_pylist()
        return statuses

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The table for pandas. Integer columns stay integer where values are missing. Read-only: it is cached."""
        frame: pd.DataFrame = self.table.to_pandas(types_mapper=pd.ArrowDtype)
        return frame


def collect(run: RunDir, explain_missing: ExplainMissing | None = None) -> Comparison:
    """Read all shards of the run. An invalid shard gives a warning and a row with status "missing".

    `explain_missing` gives status and reason of the trials without a shard. By default their reason is that they have
    not reported yet. Raises `RunError` where the run has no plan.
    """
    plan = run.read_plan()
    warnings: list[str] = []
    reasons: Mapping[str, tuple[Status, str]] = {}
    cache = read_cache(run.collected, len(plan.trials))
    incomplete = incomplete_rows(cache.table)
    files = scan(run.shards)
    absent = [t for t, name in zip(plan.trials, plan.names, strict=True) if f"{name}.json" not in files]
    if explain_missing and absent:
        reasons = explain_missing(plan, absent)
        files = scan(run.shards)  # again: a trial may have written its shard in the meantime
    fresh: list[Shard] = []
    numbers: list[int] = []  # for each trial its row in the cached rows followed by the fresh ones
    stamps: list[FileStamp | None] = []  # for each trial the stamp of its shard's file; None: no valid shard
    for trial, name in zip(plan.trials, plan.names, strict=True):
        stamp = files.pop(f"{name}.json", None)
        number = cache.number(name, stamp)
        if number in incomplete and run.predictions(name).is_file():
            number = None  # its predictions may have come since, or it was cached before a metric came
        if number is None or not plan.expects(trial, cache.digests[number]):
            number = len(cache) + len(fresh)
            try:
                row = _read(run, plan, trial) if stamp else _unreported(trial, reasons)
            except ShardError as error:
                warnings.append(str(error))
                reason = str(error).removeprefix(f"{run.shard(trial.name)}: ")
                row, stamp = unfinished(trial, "missing", f"its shard cannot be believed: {reason}"), None
            fresh.append(_completed(run, row, warnings))
        numbers.append(number)
        stamps.append(stamp)
    warnings += [f"{run.shards / name}: the plan expects no such shard; it is left out" for name in sorted(files)]
    table = pa.concat_tables([cache.table, as_table(fresh)]).take(pa.array(numbers, pa.int64()))
    unknown = sum(stamp is not None and number >= len(cache) for number, stamp in zip(numbers, stamps, strict=True))
    if unknown > REWRITE_SHARE * len(cache):
        write_cache(run.collected, table, stamps)
    warnings += _changed_data(table)
    findings: list[Findings] = []
    try:
        findings = read_findings(run.findings)
    except DataError as error:
        warnings.append(str(error))
    found = tuple(dict.fromkeys(one_line(text) for one in findings for text in leaks(one)))
    return Comparison(plan, table, tuple(map(one_line, warnings)), _taken(run, table), found)


def _unreported(trial: Trial, reasons: Mapping[str, tuple[Status, str]]) -> Shard:
    return unfinished(trial, *reasons.get(trial.name, ("missing", "it has not reported yet")))


def _changed_data(table: pa.Table) -> Iterator[str]:
    """A warning for each data set whose content was not the same for all of its trials."""
    if len(table["dataset_sha256"].drop_null().unique()) < 2:
        return
    trials: dict[str, dict[str, list[str]]] = {}  # names of trials by data set, then by SHA-256
    columns = (table[column].to_pylist() for column in ("trial", "dataset", "dataset_sha256"))
    for trial, name, digest in zip(*columns, strict=True):
        if digest is not None:
            trials.setdefault(name, {}).setdefault(digest, []).append(trial)
    for name, seen in trials.items():
        if len(seen) > 1:
            parts = [f"{digest[:12]} for {some_of(names)}" for digest, names in seen.items()]
            yield f"{name}: its files changed between trials, whose rows do not compare: SHA-256 {', '.join(parts)}"


def _taken(run: RunDir, table: pa.Table) -> dict[str, str]:
    """By trial: the run from which its row was copied. A trial that was run again since (another start) is left out."""
    origins = read_taken(run.taken)
    if not origins:
        return {}
    started = dict(zip(table["trial"].to_pylist(), table["started_at"].to_pylist(), strict=True))
    return {t: taken.run for t, taken in origins.items() if t in started and started[t] == taken.started_at}


def _completed(run: RunDir, shard: Shard, warnings: list[str]) -> Shard:
    try:
        return complete(run, shard)
    except ShardError as error:
        warnings.append(str(error))
        return shard


def _read(run: RunDir, plan: Plan, trial: Trial) -> Shard:
    path = run.shard(trial.name)
    shard = read_shard(path)
    if shard.trial != trial.name:
        raise ShardError(f"{path}: a copy of the shard of {shard.trial}")
    if not plan.expects(trial, shard.digest):
        raise ShardError(f"{path}: of another configuration than the plan's; run the trial again")
    return shard
