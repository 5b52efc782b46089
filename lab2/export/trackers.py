"""The trackers to which the trials of a run can be exported, each twice without doubling."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lab2.export.event_files import to_tensorboard
from lab2.export.mlflow_runs import to_mlflow
from lab2.export.offline_runs import to_wandb
from lab2.export.outcome import Outcome
from lab2.export.record import TrialRecord, has_shard, read_records
from lab2.results.collect import Comparison
from lab2.results.run_dir import RunDir

Tracker = Literal["mlflow", "tensorboard", "wandb"]
# Writes each record to a place and yields what became of it. It changes nothing where the record is there already.
Writer = Callable[[Iterable[TrialRecord], str], Iterator[Outcome]]

TRACKERS: dict[Tracker, Writer] = {"mlflow": to_mlflow, "tensorboard": to_tensorboard, "wandb": to_wandb}


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What became of the trials of a run."""

    place: str
    outcomes: Counter[Outcome]
    without_shard: tuple[str, ...]  # trials that are not exported


def export_run(run: RunDir, comparison: Comparison, to: Tracker, place: str | None) -> Exported:
    """Export every trial of a collected run that left a shard.

    `place` is a folder, or what the tracker takes for one; None: `export/` of the run. Raises `ConfigError` where the
    tracker's package is not installed, `RunError` where the tracker refuses.
    """
    where = place or str(default_place(run, to))
    outcomes = Counter(TRACKERS[to](read_records(run, comparison), where))
    without = tuple(row.trial for row in comparison.rows if not has_shard(run, row))
    return Exported(place=where, outcomes=outcomes, without_shard=without)


def default_place(run: RunDir, to: Tracker) -> Path:
    """The folder of that tracker in the run."""
    return run.exports / to
