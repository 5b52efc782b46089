"""How many images a second a trial trains: `lab2/launch/at_once.py` asks several processes of this at the same time.

The process says that it is ready, waits for a line, trains for some seconds, and says what it measured. It writes
nothing into the run.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path

from lab2.launch.at_once import READY
from lab2.measure.hardware import memory_limit
from lab2.measure.memory import process_peak
from lab2.results.run_dir import RunDir
from lab2.spec.architectures import TransferConfig
from lab2.spec.job import Trial
from lab2.trial import set_up

SECONDS = 2.0
FIRST = 3  # steps that are not timed: they allocate, and choose kernels


def main(run: Path, name: str, threads: int) -> None:
    """Writes `READY`, reads a line, writes `images_per_second` and `memory_share` as JSON. Raises what `set_up` does.

    `memory_share` is the process's peak over the memory that it may use.
    """
    trainer = set_up(_without_head(RunDir(run).read_plan().trial(name)), "cpu", threads).trainer
    steps = trainer.fit()
    before = 0
    for _, step in zip(range(FIRST), steps, strict=False):
        before = step.images
    sys.stdout.write(f"{READY}\n")
    sys.stdout.flush()
    sys.stdin.readline()
    began, images = time.perf_counter(), before
    for step in steps:
        images = step.images
        if time.perf_counter() - began >= SECONDS:
            break
    rate = (images - before) / (time.perf_counter() - began)
    found = {"images_per_second": rate, "memory_share": process_peak() / memory_limit()}
    sys.stdout.write(f"{json.dumps(found)}\n")


def _without_head(trial: Trial) -> Trial:
    """The same trial that begins with the training of all parameters, which is what takes its time."""
    job = trial.job
    if not isinstance(job.model, TransferConfig):
        return trial
    return replace(trial, job=replace(job, model=replace(job.model, head_epochs=0)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
