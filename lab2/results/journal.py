"""What a trial tells while it runs: a line at each validation that stays, and a note of what it is doing now."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import TypeAdapter, ValidationError

from lab2.foreign_text import keep_visible
from lab2.regular_file import LISTS, SMALL, make_way, read_regular
from lab2.results.run_dir import RunDir
from lab2.whole_file import write_whole

EVERY_SECONDS = 1.0  # between two notes

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
    seconds_left: float | None = None  # of training
    train_seconds: float = 0.0
    wall_seconds: float = 0.0  # of all attempts, as far as they are known
    cpu_seconds: float = 0.0
    startup_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """One point of the learning curve."""

    epoch: float
    images: int = 0  # seen so far, each as often as it was
    loss: float | None  # of the last batch; None: not a number, in runs of before such a training failed
    validation_accuracy: float
    validation_macro_f1: float
    train_seconds: float


_PROGRESS: TypeAdapter[Progress] = TypeAdapter(Progress)
_SUMS = ("wall_seconds", "cpu_seconds", "startup_seconds")
_POINT: TypeAdapter[CurvePoint] = TypeAdapter(CurvePoint)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A process that began to work on a trial. Several attempts may go on from one another."""

    job_id: str | None  # the scheduler's
    host: str
    step: int  # where it began: 0, or what the checkpoint says
    started_at: str  # UTC, ISO 8601

    def __post_init__(self) -> None:
        keep_visible(self)


_ATTEMPT: TypeAdapter[Attempt] = TypeAdapter(Attempt)


class Journal:
    """The writing side, in the trial's process."""

    def __init__(self, run: RunDir, trial: str) -> None:
        self.run, self.trial = run, trial
        self.last = 0.0
        self.refused = False

    def begin(self, attempt: Attempt, curve: Sequence[CurvePoint]) -> None:
        """Note that a process begins; of the learning curve stays what it goes on from."""
        with self._forgiving():
            _append(self.run.attempts(self.trial), _ATTEMPT.dump_json(attempt) + b"\n")
            write_whole(self.run.history(self.trial), b"".join(_POINT.dump_json(point) + b"\n" for point in curve))

    def due(self) -> bool:
        """Whether the last note is old enough for the next."""
        return time.time() - self.last >= EVERY_SECONDS

    def note(self, progress: Progress) -> None:
        """Replace the note of what the trial is doing now."""
        self.last = time.time()
        with self._forgiving():
            write_whole(self.run.progress(self.trial), _PROGRESS.dump_json(progress))

    def add(self, point: CurvePoint) -> None:
        """Append one point of the learning curve."""
        with self._forgiving():
            _append(self.run.history(self.trial), _POINT.dump_json(point) + b"\n")

    @contextmanager
    def _forgiving(self) -> Iterator[None]:
        """What is told on the way is no result: a disk that refuses it must not end the training."""
        try:
            yield
        except OSError as error:
            if not self.refused:
                LOG.warning("the disk refuses notes of what goes on: %s", error)
            self.refused = True


def read_progress(run: RunDir, trial: str) -> Progress | None:
    """The last note; None where there is none to read."""
    return _read_note(run.progress(trial))


def time_taken(run: RunDir, trial: str) -> Progress:
    """What all attempts at the trial have taken, as far as they have told: the sums of a note, and nothing else."""
    notes = [_read_note(path) for path in (run.progress(trial), run.time_taken(trial))]
    sums = {name: max((getattr(note, name) for note in notes if note), default=0.0) for name in _SUMS}
    return Progress(state="starting", **sums)


def make_way_for_attempt(run: RunDir, trial: str) -> None:
    """Put away what the attempts before have left, but for what they took. Raises `OSError` as the disk does."""
    taken = time_taken(run, trial)
    if taken.wall_seconds:
        write_whole(run.time_taken(trial), _PROGRESS.dump_json(taken))
    for stale in (run.shard(trial), run.progress(trial)):
        make_way(stale)


def read_history(run: RunDir, trial: str) -> list[CurvePoint]:
    """The learning curve so far."""
    return _read_lines(run.history(trial), _POINT)


def read_attempts(run: RunDir, trial: str) -> list[Attempt]:
    """Every process that began to work on the trial, the first one first."""
    return _read_lines(run.attempts(trial), _ATTEMPT)


def _read_note(path: Path) -> Progress | None:
    try:
        return _PROGRESS.validate_json(read_regular(path, SMALL))
    except (OSError, ValidationError):
        return None


def _append(path: Path, line: bytes) -> None:
    """A FIFO that lies there is an `OSError`: to open it would wait for somebody who reads it."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK, 0o666)
    with os.fdopen(handle, "ab") as file:
        file.write(line)


def _read_lines(path: Path, kind: TypeAdapter[T]) -> list[T]:
    """What stands in the lines of `path`; a line that was cut off by a crash is left out."""
    found = []
    try:
        lines = read_regular(path, LISTS).splitlines()
    except OSError:
        return []
    for line in lines:
        try:
            found.append(kind.validate_json(line))
        except ValidationError:
            continue
    return found
