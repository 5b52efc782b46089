"""The files that a trial writes while it runs: its learning curve, its attempts, and a note of its progress."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import TypeAdapter, ValidationError

from lab2.foreign_text import keep_visible
from lab2.json_lines import append_line, read_lines
from lab2.regular_file import SMALL, clear_path, read_regular
from lab2.results.run_dir import RunDir
from lab2.whole_file import write_whole

EVERY_SECONDS = 1.0  # least time between two progress notes

LOG = logging.getLogger("lab2")

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What a trial is doing now."""

    state: Literal["starting", "training", "testing", "measuring"]
    epoch: float = 0.0
    epochs: float = 0.0
    loss: float | None = None
    validation_accuracy: float | None = None
    seconds_left: float | None = None  # of training, estimated
    train_seconds: float = 0.0
    wall_seconds: float = 0.0  # summed over all attempts whose notes could be read
    cpu_seconds: float = 0.0
    startup_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """One point of the learning curve."""

    epoch: float
    images: int = 0  # training images so far, repetitions included
    loss: float | None  # of the last batch; None: a baseline has none; in old runs it was NaN
    validation_accuracy: float
    validation_macro_f1: float
    train_seconds: float


_PROGRESS: TypeAdapter[Progress] = TypeAdapter(Progress)
_SUMS = ("wall_seconds", "cpu_seconds", "startup_seconds")
_POINT: TypeAdapter[CurvePoint] = TypeAdapter(CurvePoint)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One process that worked on a trial. A later attempt continues from the checkpoint of an earlier one."""

    job_id: str | None  # the scheduler's
    host: str
    step: int  # the training step where it began: 0, or that of the checkpoint
    started_at: str  # UTC, ISO 8601

    def __post_init__(self) -> None:
        keep_visible(self)


_ATTEMPT: TypeAdapter[Attempt] = TypeAdapter(Attempt)


@dataclass(frozen=True, slots=True, kw_only=True)
class PacePoint:
    """After a training step, how many more its stage was given, where time ends the training."""

    step: int
    left: int
    machine: str  # on which it was counted


_PACE: TypeAdapter[PacePoint] = TypeAdapter(PacePoint)


class Journal:
    """Writes these files in the trial's process."""

    def __init__(self, run: RunDir, trial: str) -> None:
        self.run, self.trial = run, trial
        self.last = 0.0  # Unix time of the last progress note
        self.refused = False  # the warning about a failed write was logged

    def begin(self, attempt: Attempt, curve: Sequence[CurvePoint]) -> None:
        """Record a new attempt, and write `curve`, the learning curve of its checkpoint, over the old one."""
        with self._log_failure():
            append_line(self.run.attempts(self.trial), _ATTEMPT.dump_json(attempt))
            write_whole(self.run.history(self.trial), b"".join(_POINT.dump_json(point) + b"\n" for point in curve))

    def due(self) -> bool:
        """Whether `EVERY_SECONDS` have passed since the last progress note."""
        return time.time() - self.last >= EVERY_SECONDS

    def note(self, progress: Progress) -> None:
        """Replace the progress note."""
        self.last = time.time()
        with self._log_failure():
            write_whole(self.run.progress(self.trial), _PROGRESS.dump_json(progress), sync=False)

    def add(self, point: CurvePoint) -> None:
        """Append one point of the learning curve."""
        with self._log_failure():
            append_line(self.run.history(self.trial), _POINT.dump_json(point))

    def add_pace(self, point: PacePoint) -> None:
        """Append what the steps that are left were counted to be."""
        with self._log_failure():
            append_line(self.run.pace(self.trial), _PACE.dump_json(point))

    @contextmanager
    def _log_failure(self) -> Iterator[None]:
        """Log the first `OSError` and ignore all: these files are no results, and must not end the training."""
        try:
            yield
        except OSError as error:
            if not self.refused:
                LOG.warning("the disk refuses notes of what goes on: %s", error)
            self.refused = True


def read_progress(run: RunDir, trial: str) -> Progress | None:
    """The newest progress note; None where none can be read."""
    return _read_note(run.progress(trial))


def time_taken(run: RunDir, trial: str) -> Progress:
    """The seconds that all attempts at the trial have taken so far, in a `Progress` whose other fields are not set.

    An attempt counts up to its last progress note.
    """
    notes = [_read_note(path) for path in (run.progress(trial), run.time_taken(trial))]
    sums = {name: max((getattr(note, name) for note in notes if note), default=0.0) for name in _SUMS}
    return Progress(state="starting", **sums)


def clear_for_attempt(run: RunDir, trial: str) -> None:
    """Remove the trial's old shard and progress note, and save the time that its attempts took.

    Raises `OSError` where a file cannot be written or removed.
    """
    taken = time_taken(run, trial)
    if taken.wall_seconds:
        write_whole(run.time_taken(trial), _PROGRESS.dump_json(taken))
    for stale in (run.shard(trial), run.progress(trial)):
        clear_path(stale)


def read_history(run: RunDir, trial: str) -> list[CurvePoint]:
    """The learning curve so far; incomplete lines are left out."""
    return _read_lines(run.history(trial), _POINT)


def read_attempts(run: RunDir, trial: str) -> list[Attempt]:
    """The attempts at the trial, oldest first; incomplete lines are left out."""
    return _read_lines(run.attempts(trial), _ATTEMPT)


def read_pace(run: RunDir, trial: str) -> list[PacePoint]:
    """How long the trial's stages were given, in the order of the steps; incomplete lines are left out."""
    return _read_lines(run.pace(trial), _PACE)


def _read_note(path: Path) -> Progress | None:
    try:
        return _PROGRESS.validate_json(read_regular(path, SMALL))
    except (OSError, ValidationError):
        return None


def _read_lines(path: Path, kind: TypeAdapter[T]) -> list[T]:
    try:
        return read_lines(path, kind)[0]
    except OSError:
        return []
