"""How the price of collecting a run grows with its trials. Shards are made up; what reads them is the real thing.

Each run is collected twice, by a process of its own each time: when all its shards are there but some, and when those
have come too.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from lab2.launch.plan import plan_trials, start_run
from lab2.results.collect import collect, unfinished
from lab2.results.run_dir import open_run
from lab2.results.shard import write_shard
from lab2.spec.catalogue import read_catalogue
from lab2.spec.job import DataConfig

ROOT = Path(__file__).parents[1]
COUNTS = (10, 100, 1_000, 10_000, 100_000)
LATER = 100  # shards that come after the first collect, in runs that are larger


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What one process took."""

    trials: int
    fresh: int  # shards that nobody had read before
    seconds: float
    peak_memory_bytes: int


def measure() -> Iterator[Collected]:
    """For each count of trials, a process that collects them."""
    for count in COUNTS:
        with tempfile.TemporaryDirectory(prefix="lab2-many-") as folder:
            late = _make(Path(folder), count)
            yield _collect_apart(folder, count - len(late))
            for path in late:
                path.rename(path.with_name(path.name.removeprefix(".")))
            if late:
                yield _collect_apart(folder, len(late))


def _collect_apart(folder: str, fresh: int) -> Collected:
    words = [sys.executable, "-m", "benchmarks.many_trials", folder, str(fresh)]
    done = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return Collected(**json.loads(done.stdout))


def _make(runs: Path, count: int) -> list[Path]:
    """A run of `count` trials with their shards, and those shards that are to come later, hidden by a dot."""
    jobs = [entry.job for entry in read_catalogue(ROOT / "jobs").values()]
    trials = plan_trials(jobs, range(1, count // len(jobs) + 1), DataConfig(), [], smoke=False)
    run = start_run(runs, trials, smoke=False, device="cpu")
    late = []
    for number, trial in enumerate(trials):
        path = run.shard(trial.name)
        if count > LATER and number < LATER:
            path = path.with_name(f".{path.name}")
            late.append(path)
        write_shard(path, replace(unfinished(trial, "ok", ""), accuracy=0.99, train_seconds=100.0))
    return late


def _collect(folder: str, fresh: str) -> None:
    run = open_run(Path(folder), "latest")
    started = time.perf_counter()
    rows = collect(run).table.num_rows
    seconds = time.perf_counter() - started
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps(asdict(Collected(trials=rows, fresh=int(fresh), seconds=seconds, peak_memory_bytes=memory))))


def markdown(rows: list[Collected]) -> str:
    """The report's table."""
    lines = [f"| {r.trials:,} | {r.fresh:,} | {r.seconds:.2f} | {r.peak_memory_bytes / 2**20:.0f} MiB |" for r in rows]
    return "\n".join(
        ["| trials | shards not read before | seconds to collect | peak memory |", "|---|---|---|---|", *lines]
    )


if __name__ == "__main__":
    _collect(*sys.argv[1:])
