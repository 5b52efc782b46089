"""What it costs to start: commands against the imports that they cannot do without, trials against `import torch`.

Each is measured by turns with what it is compared with, in processes of their own. The run that the report shows is
invented: its answers are drawn, the commands are real. `python -m benchmarks.starting` measures this alone.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.apart import ROOT
from lab2.launch.planning import plan_trials, start_run
from lab2.measure.predictions import Predictions, write_predictions
from lab2.results.run_dir import open_run
from lab2.results.shard import Shard, read_shard, unfinished, write_shard
from lab2.spec.catalogue import read_catalogue
from lab2.spec.job import DataConfig

REPEATS = 5
SEEDS = 10
IMAGES, CLASSES = 10_000, 10  # of the invented run
ERRORS = {"cnn": 0.008, "vit": 0.02, "alexnet": 0.009, "vgg16": 0.006, "faster_rcnn": 0.012}
LAB2 = "from lab2.cli import main; main()"
LIBRARIES = "import pandas, pydantic, rich"


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """Medians of seconds, and the most that one may be of the other."""

    what: str
    seconds: float
    against: str
    other_seconds: float
    wanted: float

    @property
    def ratio(self) -> float:
        return self.seconds / self.other_seconds


def measure() -> Iterator[Started]:
    """The commands, the start of a trial, and ten seeds of the CNN."""
    with tempfile.TemporaryDirectory(prefix="lab2-starting-") as folder:
        runs = Path(folder)
        _invent(runs)
        yield _by_turns("lab2 --help", [LAB2, "--help"], "import typer", 2.5)
        for name in ("status", "report"):
            yield _by_turns(f"lab2 {name}", [LAB2, name, "--runs", folder], LIBRARIES, 1.5)
    yield _first_step()
    yield _seeds()


def _by_turns(what: str, words: list[str], against: str, wanted: float) -> Started:
    own, other = [], []
    for _ in range(REPEATS):
        other.append(_seconds(against))
        own.append(_seconds(*words))
    return Started(
        what=what,
        seconds=statistics.median(own),
        against=against,
        other_seconds=statistics.median(other),
        wanted=wanted,
    )


def _first_step() -> Started:
    """From the start of a trial's process to its first step; a short training is enough."""
    own, other = [], []
    for _ in range(REPEATS):
        other.append(_seconds("import torch"))
        with tempfile.TemporaryDirectory(prefix="lab2-starting-") as folder:
            _train(folder, "--no-baselines", "--set", "train.epochs=0.1")
            own += [shard.startup_seconds for shard in _shards(folder) if shard.startup_seconds is not None]
    return Started(
        what="a trial of the CNN, to its first step",
        seconds=statistics.median(own),
        against="import torch",
        other_seconds=statistics.median(other),
        wanted=1.3,
    )


def _seeds() -> Started:
    """The wall-clock time of ten seeds, once: their training seconds are the other side."""
    with tempfile.TemporaryDirectory(prefix="lab2-starting-") as folder:
        seconds = _train(folder, "--seeds", str(SEEDS))
        trained = sum(shard.train_seconds or 0.0 for shard in _shards(folder))
    return Started(
        what=f"lab2 run-local --jobs cnn --seeds {SEEDS}",
        seconds=seconds,
        against="their seconds of training",
        other_seconds=trained,
        wanted=1.25,
    )


def _train(folder: str, *words: str) -> float:
    return _seconds(LAB2, "run-local", "--jobs", "cnn", "--device", "cpu", "--runs", folder, *words)


def _shards(folder: str) -> list[Shard]:
    run = open_run(Path(folder), "latest")
    return [read_shard(run.shard(trial.name)) for trial in run.read_plan().trials]


def _seconds(statement: str, *words: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement, *words], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def _invent(runs: Path) -> None:
    """A run of the five jobs, three seeds each."""
    jobs = [entry.job for entry in read_catalogue(ROOT / "jobs").values()]
    trials = plan_trials(jobs, (1, 2, 3), DataConfig(), [], smoke=False)
    run = start_run(runs, trials, smoke=False, device="cpu")
    random = np.random.default_rng(20261127)
    truth, images = random.integers(0, CLASSES, IMAGES), random.integers(0, 2**63, IMAGES).astype(np.uint64)
    for trial in trials:
        right = random.random(IMAGES) >= ERRORS[trial.job.name]
        answers = np.where(right, truth, (truth + 1) % CLASSES)
        shares = np.full((IMAGES, CLASSES), 0.01, np.float32)
        shares[np.arange(IMAGES), answers] = 1 - 0.01 * (CLASSES - 1)
        write_predictions(run.predictions(trial.name), Predictions(truth, answers, shares, images))
        found = {"accuracy": float(right.mean()), "train_seconds": 10.0, "parameters": 10**5, "classes": CLASSES}
        counts = {"test_images": IMAGES, "train_images": 55_000}
        write_shard(run.shard(trial.name), unfinished(trial, "ok", "").updated(**found, **counts))


def markdown(rows: list[Started]) -> str:
    """The measurements as a Markdown table."""
    lines = [
        f"| {one.what} | {one.seconds:.2f} | {one.against} | {one.other_seconds:.2f} | {one.ratio:.2f} | {one.wanted} |"
        for one in rows
    ]
    return "\n".join(["| what | s | against | s | ratio | at most |", "|---|---|---|---|---|---|", *lines])


if __name__ == "__main__":
    print(markdown(list(measure())))
