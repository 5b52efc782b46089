"""The learning curves of a run that goes on, for views that show them again and again."""

from __future__ import annotations

import os
from collections.abc import Iterable

from lab2.results.journal import CurvePoint, read_history
from lab2.results.run_dir import RunDir

_Stamp = tuple[int, int, int]  # inode, bytes, time of the last change


class CurveReader:
    """Reads a trial's curve again only where its file has changed."""

    def __init__(self, run: RunDir) -> None:
        self.run = run
        self._known: dict[str, tuple[_Stamp, list[CurvePoint]]] = {}

    def read(self, trial: str) -> list[CurvePoint]:
        """The curve so far; empty where there is none, or none that can be read."""
        try:
            found = os.stat(self.run.history(trial))
        except OSError:
            return []
        stamp = found.st_ino, found.st_size, found.st_mtime_ns
        known = self._known.get(trial)
        if known is None or known[0] != stamp:
            known = self._known[trial] = stamp, read_history(self.run, trial)
        return known[1]

    def validation(self, trials: Iterable[str]) -> dict[str, list[float]]:
        """By trial: its validation accuracies so far."""
        return {trial: [point.validation_accuracy for point in self.read(trial)] for trial in trials}
