"""The shard: one row of the comparison table, one schema, one file a trial.

The file is JSON: the row, and a SHA-256 over it. Nobody else lists these fields: the writer, the reader
and the collector take them from here.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from lab2.errors import ShardError
from lab2.foreign_text import keep_visible
from lab2.regular_file import SMALL, read_regular
from lab2.spec.checks import first_wrong, wrong_schema
from lab2.spec.job import Trial
from lab2.whole_file import write_whole

SCHEMA = 2
# Schemas that are read too, and which of their fields meant something else: those are not measured as they are now.
OLDER: dict[int, tuple[str, ...]] = {
    1: (
        "macro_f1",  # with 0 for classes that no image showed
        "map_50",  # with thresholds in float32
        "map_50_95",
        "wall_seconds",  # without the process's start
        "seconds_to_target",  # looked at when an epoch ended
        "flops_per_image",  # without fused attention
        "peak_memory_bytes",  # of testing, too
        "memory_of",
        "latency_p50_seconds",  # of a network that was not folded
        "latency_p95_seconds",
        "throughput_images_per_second",
    ),
}

Status = Literal["ok", "failed", "timeout", "out_of_memory", "cancelled", "missing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One row of the comparison table. Units are in the names; None is "not measured"."""

    trial: str
    job: str
    architecture: str
    dataset: str
    seed: int
    digest: str  # of the trial's whole configuration
    status: Status
    reason: str = ""  # why the status is not ok, in one sentence

    # Quality. Fractions in [0, 1], of the test set unless the name says otherwise.
    accuracy: float | None = None
    macro_f1: float | None = None
    map_50: float | None = None  # detectors only
    map_50_95: float | None = None
    validation_accuracy: float | None = None
    majority_accuracy: float | None = None  # of always naming the commonest class of the test images
    test_images: int | None = None
    classes: int | None = None
    tested_classes: int | None = None  # of which there are test images

    # Time.
    train_seconds: float | None = None  # all that one waits for while it trains; evaluation is not in it
    # Of the part above that training takes: CPU seconds, and those for which its threads waited for a core.
    train_cpu_seconds: float | None = None
    train_wait_seconds: float | None = None
    # The whole trial, from its process's start to its shard, over all attempts; between them nothing is counted.
    wall_seconds: float | None = None
    startup_seconds: float | None = None  # of it, before the first step of each attempt
    cpu_seconds: float | None = None
    attempts: int | None = None  # processes that it took: more than one where it was interrupted
    target_accuracy: float | None = None  # on the validation images, as the job states it
    seconds_to_target: float | None = None  # training seconds; None: not reached
    epochs: float | None = None
    train_images: int | None = None
    train_images_per_second: float | None = None

    # Cost.
    parameters: int | None = None
    trainable_parameters: int | None = None
    trained_parameters: int | None = None  # numbers that the optimiser moved: fewer, where copies move as one
    flops_per_image: int | None = None  # forward; a multiply-add is two
    flops_uncounted: str | None = None  # names of what ran and is not in it: "": the count is whole
    peak_memory_bytes: int | None = None  # while it trains
    inference_memory_bytes: int | None = None  # while it infers single images, deployed
    library_memory_bytes: int | None = None  # of the process before it reads data: Python and its libraries
    memory_of: Literal["process", "accelerator"] | None = None  # the first two; libraries are in a process's
    # Of the network as deployed: folded, its weights cast once.
    latency_p50_seconds: float | None = None  # batch of 1
    latency_p95_seconds: float | None = None
    throughput_images_per_second: float | None = None  # inference, large batches
    inference_wait_share: float | None = None  # of the time that these could have taken a core, others had it

    # How.
    precision: str | None = None
    device: str | None = None
    device_name: str | None = None
    threads: int | None = None
    all_machines: str | None = None  # on which its attempts ran, where they differ: its times add up theirs
    weights: str | None = None  # "random", or where the pre-trained ones came from
    image_side: int | None = None  # pixels, as the network sees them
    dataset_sha256: str | None = None

    # Where it came from.
    lab2_version: str | None = None
    git_commit: str | None = None
    git_dirty: bool | None = None
    torch_version: str | None = None
    torchvision_version: str | None = None
    python_version: str | None = None
    image_digest: str | None = None  # of the container image; None: in none
    host: str | None = None
    started_at: str | None = None  # UTC, ISO 8601
    ended_at: str | None = None
    scheduler_job_id: str | None = None
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        keep_visible(self)
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float) and not math.isfinite(value):
                raise ShardError(f"{self.trial}: {field.name}={value} is not a number that a table can hold")


SHARD: TypeAdapter[Shard] = TypeAdapter(Shard)


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


def write_shard(path: Path, shard: Shard) -> None:
    """Write `shard` whole; raises `OSError` as the disk does."""
    row = SHARD.dump_json(shard)
    write_whole(path, b'{"sha256": "%b",\n "row": %b}\n' % (_digest(json.loads(row)).encode(), row))


def read_shard(path: Path) -> Shard:
    """Read one shard; raises `ShardError` for one that is torn, altered, foreign or of another schema."""
    try:
        raw = json.loads(read_regular(path, SMALL))
    except OSError as error:
        raise ShardError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ShardError(f"{path}: not whole: {error}") from error
    row = raw.get("row") if isinstance(raw, dict) else None
    if not isinstance(row, dict):
        raise ShardError(f"{path}: not a shard; wanted an object with sha256 and row")
    schema = row.get("schema")
    if schema != SCHEMA and schema not in OLDER:
        raise ShardError(f"{path}: {wrong_schema(schema, SCHEMA, 'lab2 resume runs its trial again')}")
    if raw.get("sha256") != _digest(row):
        raise ShardError(f"{path}: its checksum does not fit; it was altered after it was written")
    unknown = row.keys() - {field.name for field in fields(Shard)}
    if unknown:
        raise ShardError(f"{path}: unknown fields {sorted(unknown)}; another program wrote it")
    row = {name: value for name, value in row.items() if name not in OLDER.get(schema, ())} | {"schema": SCHEMA}
    if schema in OLDER and row.get("device") != "cpu":
        row.pop("precision", None)  # fp32 may have been TF32
    try:
        return SHARD.validate_python(row)
    except ValidationError as error:
        raise ShardError(f"{path}: {first_wrong(error)}") from error


def read_finished(path: Path, digest: str) -> Shard | None:
    """The shard of a trial of that digest that ended well; None where there is none, or none that can be believed."""
    try:
        shard = read_shard(path)
    except ShardError:
        return None
    return shard if (shard.status, shard.digest) == ("ok", digest) else None


def _digest(row: dict[str, Any]) -> str:
    """SHA-256 over the row as sorted, compact JSON: the same however the file is laid out."""
    return hashlib.sha256(json.dumps(row, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
