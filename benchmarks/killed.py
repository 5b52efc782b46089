"""A search that is killed ten times at random and resumed, against one that nobody disturbed: the same bits?

`python -m benchmarks.killed`. Everything of it is killed at once, as when a machine stops: the launcher and its trials.
Linux only.
"""

from __future__ import annotations

import csv
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.apart import ROOT
from benchmarks.machine import this_machine
from lab2.results.collect import collect
from lab2.results.run_dir import RunDir, open_run
from lab2.spec.catalogue import read_catalogue

MARK = "LAB2_BENCHMARK_KILLED"  # a variable that all processes of one search have
STUDY = ("--jobs", "cnn,vit", "--trials", "4", "--seeds", "2", "--budget", "20000-images")

console = Console(highlight=False)


def found(run: RunDir) -> dict[str, object]:
    """All that a search gave and that does not depend on the clock."""
    with (run.report / "table.csv").open(newline="") as table:
        shown = [(row["job"], row["accuracy"], row["effort"]) for row in csv.DictReader(table)]
    return {
        "scores": [
            (row.trial, row.digest, row.status, row.validation_accuracy, row.accuracy) for row in collect(run).rows
        ],
        "recipes": [entry.job for entry in read_catalogue(run.tuned).values()],  # their files say how long it took
        "predictions": [path.read_bytes() for path in sorted((run.path / "predictions").iterdir())],
        "table": shown,
    }


def main(
    times: Annotated[int, typer.Option(help="How often it is killed.")] = 10,
    seed: Annotated[int, typer.Option(help="Of the moments at which it is.")] = 0,
) -> None:
    """Search twice, say when the second one was killed, and whether both found the same."""
    console.print(str(this_machine()), markup=False)
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="lab2-killed-") as folder:
        whole, killed = Path(folder) / "whole", Path(folder) / "killed"
        began = time.perf_counter()
        _end_well(["tune", *STUDY], whole)
        length = time.perf_counter() - began
        console.print(f"undisturbed: {length:.0f} s")
        words = ["tune", *STUDY]
        for number in range(1, times + 1):
            moment = draw.uniform(2, length / 5)
            process = _started(words, killed)
            with suppress(subprocess.TimeoutExpired):
                code = process.wait(moment)
                console.print(f"ended with {code} before kill {number}: a longer search is needed, or it failed")
                raise typer.Exit(1)
            _kill_all(process)
            if not any(killed.glob("*/study.json")):
                console.print(f"kill {number}, after {moment:.1f} s, came before there was a run; begun anew")
                continue
            done = len(list(killed.glob("*/shards/*.json")))
            console.print(f"killed {number}: after {moment:.1f} s, with {done} results")
            words = ["resume"]
        _end_well(words, killed)
        one, other = found(open_run(killed, "latest")), found(open_run(whole, "latest"))
    different = [what for what in one if one[what] != other[what]]
    console.print(f"DIFFERENT: {', '.join(different)}" if different else f"the same bits: {', '.join(one)}")
    if different:
        raise typer.Exit(1)


def _started(words: list[str], runs: Path) -> subprocess.Popen[bytes]:
    """`lab2` with these words, which may be killed with all that it starts."""
    return subprocess.Popen(
        [sys.executable, "-m", "lab2.cli", *words, "--runs", str(runs)],
        cwd=ROOT,
        env={**os.environ, MARK: uuid.uuid4().hex},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _end_well(words: list[str], runs: Path) -> None:
    if code := _started(words, runs).wait():
        console.print(f"lab2 {' '.join(words)}: ended with {code}")
        raise typer.Exit(1)


def _kill_all(process: subprocess.Popen[bytes]) -> None:
    mark = next(word for word in _environment(process.pid) if word.startswith(f"{MARK}=".encode()))
    while those := [pid for pid in _processes() if mark in _environment(pid)]:
        for pid in those:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def _processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _environment(pid: int) -> list[bytes]:
    """The variables with which a process began; those of a zombie or of another user's are none."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


if __name__ == "__main__":
    typer.run(main)
