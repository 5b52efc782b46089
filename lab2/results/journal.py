"""What a trial tells while it runs: a line an epoch that stays, and a note of what it is doing now."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from lab2.results.run_dir import RunDir
from lab2.whole_file import write_whole

EVERY_SECONDS = 1.0  # between two notes


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What a trial is doing now."""

    state: Literal["starting", "training", "testing"]
    epoch: float = 0.0
    epochs: float = 0.0
    loss: float | None = None
    validation_accuracy: float | None = None
    seconds_left: float | None = None  # of training
    train_seconds: float = 0.0
    updated: float = 0.0  # Unix time


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochEnd:
    """One point of the learning curve."""

    epoch: float
    loss: float  # of the last batch
    validation_accuracy: float
    validation_macro_f1: float
    train_seconds: float


_PROGRESS: TypeAdapter[Progress] = TypeAdapter(Progress)
_EPOCH: TypeAdapter[EpochEnd] = TypeAdapter(EpochEnd)


class Journal:
    """The writing side, in the trial's process."""

    def __init__(self, run: RunDir, trial: str) -> None:
        self.run, self.trial = run, trial
        self.last = 0.0
        run.history(trial).unlink(missing_ok=True)  # of an attempt before this one

    def due(self) -> bool:
        """Whether the last note is old enough for the next."""
        return time.time() - self.last >= EVERY_SECONDS

    def note(self, progress: Progress) -> None:
        """Replace the note of what the trial is doing now."""
        self.last = time.time()
        row = {**asdict(progress), "updated": self.last}
        write_whole(self.run.progress(self.trial), json.dumps(row).encode())

    def add(self, point: EpochEnd) -> None:
        """Append one point of the learning curve."""
        with self.run.history(self.trial).open("ab") as file:
            file.write(_EPOCH.dump_json(point) + b"\n")


def read_progress(run: RunDir, trial: str) -> Progress | None:
    """The last note; None where there is none to read."""
    try:
        return _PROGRESS.validate_json(run.progress(trial).read_bytes())
    except (OSError, ValidationError):
        return None


def read_history(run: RunDir, trial: str) -> list[EpochEnd]:
    """The learning curve so far; a line that was cut off by a crash is left out."""
    points = []
    try:
        lines = run.history(trial).read_bytes().splitlines()
    except OSError:
        return []
    for line in lines:
        try:
            points.append(_EPOCH.validate_json(line))
        except ValidationError:
            continue
    return points
