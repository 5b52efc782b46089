"""A trial as trackers want it: parameters, metrics, the learning curve and tags, from its shard after the fact."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime

from lab2.foreign_text import one_line
from lab2.measure.metrics import METRICS
from lab2.results.collect import Comparison
from lab2.results.journal import CurvePoint, read_history
from lab2.results.run_dir import RunDir
from lab2.results.shard import Shard, Status, row_digest
from lab2.spec.job import Trial, settings_by_name

Value = str | int | float | bool

CURVE = ("loss", "validation_accuracy", "validation_macro_f1", "train_seconds", "epoch")  # fields of `CurvePoint`
_TAGS = tuple(f.name for f in fields(Shard) if f.name not in {m.name for m in METRICS} | {"trial", "seed", "schema"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveValues:
    """One validation."""

    step: int  # training images seen so far
    at: float  # Unix time, without pauses of the training
    values: Mapping[str, float]  # by the names in `CURVE`; a baseline has no loss


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRecord:
    """A trial for a tracker."""

    run: str
    trial: str
    sha256: str  # of its row
    status: Status
    parameters: Mapping[str, Value]  # its recipe and config, by the names that `--set` takes; None is left out
    metrics: Mapping[str, float]  # those that were measured, by the names of the shard's fields
    tags: Mapping[str, str]  # provenance: all other fields of the shard
    curve: tuple[CurveValues, ...]
    started: float  # Unix time
    ended: float

    @property
    def identity(self) -> str:
        """32 hexadecimal digits of run, trial and row: a trial that was run again has another."""
        return hashlib.sha256(f"{self.run}\0{self.trial}\0{self.sha256}".encode()).hexdigest()[:32]

    @property
    def last_step(self) -> int:
        """Training images seen, at the end."""
        return self.curve[-1].step if self.curve else 0


def read_records(run: RunDir, comparison: Comparison) -> Iterator[TrialRecord]:
    """A record for each trial of the plan that left a shard."""
    for trial, row in zip(comparison.plan.trials, comparison.rows, strict=True):
        if has_shard(run, row):
            yield _record(run, comparison, trial, row)


def has_shard(run: RunDir, row: Shard) -> bool:
    """Whether `row` comes from a shard, and not from what the launcher knows of a trial without one."""
    return row.status != "missing" and run.shard(row.trial).exists()


def _record(run: RunDir, comparison: Comparison, trial: Trial, row: Shard) -> TrialRecord:
    plan = comparison.plan
    started = _unix(row.started_at or plan.created_at)
    ended = _unix(row.ended_at) if row.ended_at else started
    sha256 = row_digest(row)
    found = {name: getattr(row, name) for name in _TAGS}
    tags = {name: str(value) for name, value in found.items() if value is not None and value != ""}
    origin = {"run": plan.run_id, "trial": trial.name, "smoke": str(plan.smoke)}
    if (source := comparison.taken.get(trial.name)) is not None:
        origin["taken_from"] = source
    values = {metric.name: getattr(row, metric.name) for metric in METRICS}
    return TrialRecord(
        run=plan.run_id,
        trial=trial.name,
        sha256=sha256,
        status=row.status,
        parameters=parameters(trial),
        metrics={name: float(value) for name, value in values.items() if value is not None},
        tags=tags | {f"lab2.{name}": value for name, value in origin.items()},
        curve=tuple(_curve(read_history(run, trial.name), started)),
        started=started,
        ended=ended,
    )


def parameters(trial: Trial) -> dict[str, Value]:
    """The recipe and config of `trial`, by the names that `--set` takes. What is None is left out."""
    effort = asdict(trial.job.effort) if trial.job.effort else {}
    known = settings_by_name(trial) | {f"effort.{name}": value for name, value in effort.items()}
    found: dict[str, Value] = {"job": trial.job.name, "seed": trial.seed}
    for name, value in known.items():
        if isinstance(value, list | dict):
            found[name] = json.dumps(value)
        elif value is not None:
            found[name] = one_line(value) if isinstance(value, str) else value
    return found


def _curve(points: list[CurvePoint], started: float) -> Iterator[CurveValues]:
    for number, point in enumerate(points, 1):
        values = {name: getattr(point, name) for name in CURVE}
        yield CurveValues(
            step=point.images or number,  # an older lab2 did not record the images
            at=started + (point.train_seconds if math.isfinite(point.train_seconds) else 0.0),
            values={name: float(value) for name, value in values.items() if value is not None},
        )


def _unix(text: str) -> float:
    """An ISO 8601 time as Unix time; without a zone it is in UTC."""
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
