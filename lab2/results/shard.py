"""The shard: the result of one trial, one file per trial, one row of the comparison table.

The file is JSON: the row, and a SHA-256 over it. The fields are listed only here; the writer, the reader and the
collector use this list. The numbers among them come from the list of metrics.

New fields may be added without a new schema number. A reader ignores fields that it does not know; a missing field
means "not measured". The schema number is raised only where the meaning of a field changes.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, fields, make_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import TypeAdapter, ValidationError

from lab2.errors import ShardError
from lab2.foreign_text import keep_visible
from lab2.measure.metrics import METRICS
from lab2.regular_file import SMALL, read_regular
from lab2.spec.checks import first_error, wrong_schema
from lab2.spec.job import Trial
from lab2.whole_file import write_whole

SCHEMA = 2
# Older schemas that are still read. The listed fields had another meaning in them and are read as "not measured".
OLDER: dict[int, tuple[str, ...]] = {
    1: (
        "macro_f1",  # counted 0 for classes without a test image
        "map_50",  # with thresholds in float32
        "map_50_95",
        "wall_seconds",  # without the process's start
        "seconds_to_target",  # checked only at the end of an epoch
        "flops_per_image",  # without fused attention
        "peak_memory_bytes",  # included testing
        "memory_of",
        "latency_p50_seconds",  # of a network whose weights were not folded
        "latency_p95_seconds",
        "throughput_images_per_second",
    ),
}

# Where a trial was measured: trials that differ in one of these fields have no comparable times and memory.
PLACE = ("device_name", "device", "threads")
MACHINE = (*PLACE, "precision")  # the precision is the recipe's, too
Status = Literal["ok", "failed", "timeout", "out_of_memory", "cancelled", "missing"]


if TYPE_CHECKING:

    class _Measured:
        """A field for each metric; None is "not measured"."""

        def __getattr__(self, name: str) -> Any: ...
else:
    _Measured = make_dataclass(
        "_Measured",
        [(metric.name, (int if metric.count else float) | None, None) for metric in METRICS],
        frozen=True,
        slots=True,
        kw_only=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard(_Measured):
    """One row of the comparison table: the trial, each of `METRICS` under its name, and the provenance."""

    trial: str  # its name within its run: job and seed
    job: str  # its name
    architecture: str  # of its network
    dataset: str  # a name, or the path of a folder
    seed: int  # of its random numbers
    digest: str  # SHA-256 of the trial's configuration and of what it read
    status: Status  # how it ended; missing: it has left no shard
    reason: str = ""  # why the status is not ok, in one sentence

    # How. Beside numbers of `METRICS`: what says what they are of.

    flops_uncounted: str | None = None  # names of what ran and is not in flops_per_image: "": the count is whole
    memory_of: Literal["process", "accelerator"] | None = None  # training and inference; libraries are in a process's
    precision: str | None = None  # of the products: fp32, tf32, bf16 or fp16
    memory_format: str | None = None  # of images and kernels while it trained: channels_last or channels_first
    convolution: str | None = None  # of wide 3 x 3 convolutions while it trained: winograd or direct
    steps: Literal["graph", "eager"] | None = None  # replayed as a CUDA graph, but for the first; or kernel by kernel
    device: str | None = None  # cpu, cuda or mps
    device_name: str | None = None  # of the processor or the GPU
    all_machines: str | None = None  # on which its attempts ran, where they differ: its times add up theirs
    weights: str | None = None  # "random", or where the pre-trained ones came from
    dataset_sha256: str | None = None  # of the data set as it was read
    split: str | None = None  # how the data set's parts came about
    left_out: str | None = None  # of the data set, how many by reason; "": nothing
    # Of a detector, what it was trained on and its mAP is of: the data set's own boxes, or scenes made of its images
    boxes: Literal["real", "composed"] | None = None

    budget: str | None = None  # that the training had: time, images or FLOPs; None: the recipe's own length
    # Of a trial that failed: its recipe or network, which would fail again, or the machine, its files and its devices.
    fault: Literal["recipe", "machine"] | None = None
    ended_early: bool | None = None  # whether validation that did not get better ended the training

    # Where it came from.

    lab2_version: str | None = None  # of the package
    git_commit: str | None = None  # of lab2's code
    git_dirty: bool | None = None  # whether the code was changed since that commit
    torch_version: str | None = None  # of the package
    torchvision_version: str | None = None  # of the package
    python_version: str | None = None  # of the interpreter
    image_digest: str | None = None  # of the container image; None: in none
    host: str | None = None  # the name of the machine
    started_at: str | None = None  # UTC, ISO 8601
    ended_at: str | None = None  # UTC, ISO 8601
    scheduler_job_id: str | None = None  # Slurm's; of an array with the task's number
    schema: int = SCHEMA  # the number of this schema

    def updated(self, **values: Any) -> Shard:
        """A copy with these `values`. Unlike with `dataclasses.replace`, a type checker accepts the names of metrics.

        Raises `TypeError` for a name that is no field.
        """
        return replace(self, **values)

    def __post_init__(self) -> None:
        keep_visible(self)
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float) and not math.isfinite(value):
                raise ShardError(f"{self.trial}: {field.name}={value} is not a number that a table can hold")


SHARD: TypeAdapter[Shard] = TypeAdapter(Shard)
_NAMES = frozenset(field.name for field in fields(Shard))


def unfinished(trial: Trial, status: Status, reason: str) -> Shard:
    """The shard of a trial without a result: what was asked for, `status` and `reason`."""
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
    """Write `shard` atomically. Raises `OSError` where it cannot be written."""
    row = SHARD.dump_json(shard)
    write_whole(path, b'{"sha256": "%b",\n "row": %b}\n' % (_digest(json.loads(row)).encode(), row))


def read_shard(path: Path) -> Shard:
    """Read one shard. Raises `ShardError` if it is missing, cut off, altered, foreign or of an unknown schema."""
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
    if not isinstance(schema, int) or (schema != SCHEMA and schema not in OLDER):
        raise ShardError(f"{path}: {wrong_schema(schema, SCHEMA, 'lab2 resume runs its trial again')}")
    if raw.get("sha256") != _digest(row):
        raise ShardError(f"{path}: its checksum does not fit; it was altered after it was written")
    old = OLDER.get(schema, ())
    row = {name: value for name, value in row.items() if name in _NAMES and name not in old} | {"schema": SCHEMA}
    if schema in OLDER and row.get("device") != "cpu":
        row.pop("precision", None)  # fp32 may have been TF32
    try:
        return SHARD.validate_python(row)
    except ValidationError as error:
        raise ShardError(f"{path}: {first_error(error)}") from error


def read_finished(path: Path, digest: str) -> Shard | None:
    """The shard at `path` if it is valid, has status "ok" and that digest; otherwise None."""
    try:
        shard = read_shard(path)
    except ShardError:
        return None
    return shard if (shard.status, shard.digest) == ("ok", digest) else None


def row_digest(shard: Shard) -> str:
    """SHA-256 over the fields of `shard` that are set: a field that a later lab2 adds changes nothing."""
    row: dict[str, Any] = json.loads(SHARD.dump_json(shard, exclude_none=True))
    return _digest(row)


def _digest(row: dict[str, Any]) -> str:
    """SHA-256 over the row as sorted, compact JSON, so that it does not depend on the layout of the file."""
    return hashlib.sha256(json.dumps(row, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
