"""Costs and provenance of one job in two runs, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lab2.measure.metrics import METRICS, Metric
from lab2.results.shard import MACHINE
from lab2.results.two_runs import SharedJob, TrialOutcome
from lab2.spec.job import Trial, settings_by_name

COSTS = tuple(metric for metric in METRICS if metric.over == "machine" and metric.title)
# Fields of a shard that say with what its numbers were made.
PROVENANCE = (
    *("lab2_version", "git_commit", "git_dirty", "torch_version", "torchvision_version", "python_version"),
    *("image_digest", "host", "device", "device_name", "threads", "precision", "memory_format", "convolution", "steps"),
    *("weights", "dataset_sha256", "split", "left_out", "boxes", "train_images", "test_images"),
    *("batch_size", "learning_rate", "decoded_side"),
)
ABSENT = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """A metric of time or memory, of both runs; means over the seeds."""

    metric: Metric
    before: float | None  # None: not measured, or on several machines
    after: float | None
    ratio: float | None  # after / before; None also where machine, threads or precision differ


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A field that differs: of the shards, or a setting such as `train.learning_rate`."""

    field: str
    before: str  # of several seeds all values
    after: str


def costs(before: pd.Series, after: pd.Series) -> tuple[Cost, ...]:
    """The costs of a job that both runs know, from its rows in their tables (`summary.py`)."""
    same = all(_known(before[name]) and before[name] == after[name] for name in MACHINE)
    found = []
    for metric in COSTS:
        values = [float(row[metric.name]) if _known(row[metric.name]) else None for row in (before, after)]
        ratio = values[1] / values[0] if same and values[0] and values[1] is not None else None
        if values != [None, None]:
            found.append(Cost(metric=metric, before=values[0], after=values[1], ratio=ratio))
    return tuple(found)


def differences(job: SharedJob) -> tuple[Difference, ...]:
    """What differs in how the trials of a job were made that ended well, and in the settings that were planned."""
    found = []
    for name in PROVENANCE:
        old, new = (_values(outcomes, name) for outcomes in (job.before, job.after))
        if old != new and old and new:
            found.append(Difference(field=name, before=", ".join(old), after=", ".join(new)))
    settings = [dict(_settings(outcomes[0].trial)) for outcomes in (job.before, job.after)]
    for name in dict.fromkeys([*settings[0], *settings[1]]):
        values = [str(one.get(name, ABSENT)) for one in settings]
        if values[0] != values[1]:
            found.append(Difference(field=name, before=values[0], after=values[1]))
    return tuple(found)


def _known(value: Any) -> bool:
    return not pd.isna(value)


def _values(outcomes: Sequence[TrialOutcome], name: str) -> list[str]:
    """The values of a field over the trials that ended well, sorted."""
    values = {getattr(one.row, name) for one in outcomes if one.ended_well}
    return sorted(ABSENT if value is None else str(value) for value in values)


def _settings(trial: Trial) -> Iterator[tuple[str, Any]]:
    """The settings of a trial, and its inputs but the data, which a shard names."""
    yield from settings_by_name(trial).items()
    yield from ((name, value) for name, value in trial.inputs.items() if not name.startswith("data "))
