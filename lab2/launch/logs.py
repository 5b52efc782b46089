"""Finds and reads the log of a trial, also while the trial still writes it."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from lab2.errors import RunError
from lab2.foreign_text import one_line
from lab2.launch.submission import latest_jobs, read_submissions
from lab2.regular_file import check_regular, regular_file
from lab2.results.run_dir import RunDir
from lab2.spec.job import Trial

FOLLOW_SECONDS = 1.0
SILENT_READS = 5  # empty reads before a followed trial's status is asked for
LAST_LINES = 6
LAST_BYTES = 8192
PIECE = 2**16  # characters


def newest_log(run: RunDir, trial: Trial, job: str | None) -> Path | None:
    """The log of the trial's newest attempt; None where there is none.

    On Slurm, `job` is the id of the trial's job: all tasks of an array log into one folder.
    """
    folder, pattern = (run.logs(trial.group), f"{job}_0_log.out") if job else (run.logs(trial.name), "*_log.out")
    return max(folder.glob(pattern), key=_changed, default=None)


def _changed(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except OSError:  # the file was removed after the folder was listed
        return 0.0


def last_lines(run: RunDir, trial: Trial, job: str | None = None) -> list[str]:
    """The last lines of the trial's log, to be quoted as the reason of a failure; none without a readable log."""
    path = newest_log(run, trial, job)
    if path is None:
        return []
    try:
        with regular_file(path) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - LAST_BYTES))
            lines = file.read(LAST_BYTES).decode(errors="replace").strip().splitlines()
    except OSError:
        return []
    return [one_line(line[-200:]) for line in lines[-LAST_LINES:]]


def read_log(run: RunDir, trial: Trial, *, follow: bool, ended: Callable[[], bool]) -> Iterator[str]:
    """The log in pieces; with `follow`, until the trial has `ended`. Raises `RunError` where there is no log."""
    path = newest_log(run, trial, latest_jobs(read_submissions(run)).get(trial.name))
    if path is None:
        raise RunError(f"{trial.name}: no log in run {run.path.name}; it has not started, or ran in the foreground")
    try:
        check_regular(path)
    except OSError as error:
        raise RunError(f"{path}: {error.strerror}; it is no log") from error
    with regular_file(path) as file:
        yield from _pieces(io.TextIOWrapper(file, errors="replace"), follow=follow, ended=ended)


def _pieces(file: TextIO, *, follow: bool, ended: Callable[[], bool]) -> Iterator[str]:
    while text := file.read(PIECE):
        yield text
    silent = 0
    while follow:
        # `ended` may be a Slurm query. It is called only while the log is silent: a trial that writes has not ended.
        over = silent >= SILENT_READS and ended()
        text = file.read(PIECE)
        silent = 0 if text else silent + 1
        yield text
        if over and not text:
            return
        if len(text) < PIECE:
            time.sleep(FOLLOW_SECONDS)
