"""How many images a second a trial trains: `lab2/launch/at_once.py` asks several processes of this at the same time.

The process says that it is ready, waits for a line, trains for some seconds, and says what it measured. It writes
nothing into the run.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from lab2.measure.memory import process_peak
from lab2.results.run_dir import RunDir
from lab2.trial import set_up

SECONDS = 2.0
FIRST = 3  # steps that are not timed: they allocate, and choose kernels
READY = "ready"


def main(run: Path, name: str, threads: int) -> None:
    """Prints `READY`, reads a line, prints `images_per_second` and `peak_bytes` as JSON. Raises what `set_up` does."""
    trainer = set_up(RunDir(run).read_plan().trial(name), "cpu", threads).trainer
    steps = trainer.fit()
    before = 0
    for _, step in zip(range(FIRST), steps, strict=False):
        before = step.images
    print(READY, flush=True)  # to the process that measures
    sys.stdin.readline()
    began, images = time.perf_counter(), before
    for step in steps:
        images = step.images
        if time.perf_counter() - began >= SECONDS:
            break
    rate = (images - before) / (time.perf_counter() - began)
    print(json.dumps({"images_per_second": rate, "peak_bytes": process_peak()}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
