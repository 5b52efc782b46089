"""What a trial has logged, and what it goes on to log."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from lab2.errors import RunError
from lab2.launch.status import trial_status
from lab2.results.run_dir import RunDir
from lab2.spec.job import Trial


def newest_log(run: RunDir, trial: str) -> Path | None:
    """The log of the trial's last attempt."""
    return max(run.logs(trial).glob("*_log.out"), key=os.path.getmtime, default=None)


def read_log(run: RunDir, trial: Trial, *, follow: bool) -> Iterator[str]:
    """The log in pieces; with `follow`, until the trial has ended. Raises `RunError` where there is none."""
    path = newest_log(run, trial.name)
    if path is None:
        raise RunError(f"{trial.name}: no log yet; it has not started in run {run.path.name}")
    with path.open(errors="replace") as file:
        while True:
            ended = trial_status(run, trial).ended
            if text := file.read():
                yield text
            elif not follow or ended:
                return
            else:
                time.sleep(0.5)
