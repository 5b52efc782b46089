"""What the report of a large run costs, its page in it. The answers are invented, the command is real.

All trials are tested on the same images; how hard an image is holds for all of them, as in a real run. The command runs
in a process of its own, twice: what it reads is then in the memory of the system, and what it collected in its cache.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.apart import ROOT, measured_by
from lab2 import cli
from lab2.data.identity import identities
from lab2.data.places import open_source
from lab2.launch.planning import plan_trials, start_run
from lab2.measure.memory import process_peak
from lab2.measure.predictions import Predictions, write_predictions
from lab2.results.run_dir import RunDir
from lab2.results.shard import unfinished, write_shard
from lab2.spec.catalogue import read_catalogue
from lab2.spec.job import DataConfig, Trial

JOBS, SEEDS = 25, 20  # of more than 40 rows no pairs are compared, which would be less work


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """The seconds and memory of one report."""

    trials: int
    images: int  # on which each was tested
    seconds: float
    peak_memory_bytes: int
    page_bytes: int


def measure() -> Iterator[Reported]:
    """The first report of a run, and the next one."""
    with tempfile.TemporaryDirectory(prefix="lab2-report-") as folder:
        run, images = _make(Path(folder))
        for _ in range(2):
            began = time.perf_counter()
            memory = measured_by("reporting", folder)
            seconds = time.perf_counter() - began
            size = (run.report / "index.html").stat().st_size
            yield Reported(trials=JOBS * SEEDS, images=images, seconds=seconds, page_bytes=size, **memory)


def _make(runs: Path) -> tuple[RunDir, int]:
    """A run of `JOBS` copies of the CNN, each as good as it happens to be, on MNIST's test images; and their number."""
    images = open_source(DataConfig()).read("test")
    known, labels = identities(images.pixels), images.labels
    generator = np.random.default_rng(0)
    job = read_catalogue(ROOT / "jobs")["cnn"].job
    jobs = [replace(job, name=f"cnn_{number:02d}") for number in range(JOBS)]
    trials = plan_trials(jobs, range(1, SEEDS + 1), DataConfig(), [], smoke=False)
    run = start_run(runs, trials, smoke=False, device="cpu")
    ease = generator.random(len(labels))
    skill = {one.name: generator.uniform(0.01, 0.1) for one in jobs}
    for trial in trials:
        right = ease + generator.normal(0, 0.02, len(labels)) > skill[trial.job.name]
        _leave(run, trial, np.where(right, labels, (labels + 1) % 10), labels, known, generator)
    return run, len(labels)


def _leave(
    run: RunDir, trial: Trial, said: np.ndarray, truth: np.ndarray, known: np.ndarray, generator: np.random.Generator
) -> None:
    """The shard and the predictions of a trial that `said` so."""
    scores = np.full((len(truth), 10), 0.01, np.float32)
    scores[np.arange(len(truth)), said] = 0.91
    write_predictions(run.predictions(trial.name), Predictions(truth, said, scores, known))
    shard = unfinished(trial, "ok", "").updated(
        accuracy=float((said == truth).mean()), train_seconds=float(generator.uniform(50, 150)), test_images=len(truth)
    )
    write_shard(run.shard(trial.name), shard)


def markdown(rows: list[Reported]) -> str:
    """The measurements as a Markdown table."""
    lines = [
        f"| {r.trials:,} | {r.images:,} | {r.seconds:.1f} | {r.peak_memory_bytes / 2**20:.0f} MiB "
        f"| {r.page_bytes / 1e6:.2f} MB |"
        for r in rows
    ]
    head = ["| trials | test images of each | seconds to report | peak memory | page |", "|---|---|---|---|---|"]
    return "\n".join([*head, *lines])


if __name__ == "__main__":
    sys.argv[1:] = ["report", "latest", "--quiet", "--runs", sys.argv[1]]
    with suppress(SystemExit):
        cli.main()
    print(json.dumps({"peak_memory_bytes": process_peak()}))
