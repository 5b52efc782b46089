"""How the price of collecting a run grows with its trials. Shards are made up; what reads them is the real thing.

By a process of its own each time; runs of more than `LATER` trials twice: before that many of their shards have come,
and after.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.apart import ROOT, measured_by
from lab2 import cli
from lab2.launch.planning import plan_trials, start_run
from lab2.measure.memory import process_peak
from lab2.results.shard import unfinished, write_shard
from lab2.spec.catalogue import read_catalogue
from lab2.spec.job import DataConfig

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
            yield _collect(folder, count, count - len(late))
            for path in late:
                path.rename(path.with_name(path.name.removeprefix(".")))
            if late:
                yield _collect(folder, count, len(late))


def _collect(runs: str, trials: int, fresh: int) -> Collected:
    """The command, from its start to the report's files."""
    began = time.perf_counter()
    memory = measured_by("many_trials", runs)
    return Collected(trials=trials, fresh=fresh, seconds=time.perf_counter() - began, **memory)


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
        write_shard(path, unfinished(trial, "ok", "").updated(accuracy=0.99, train_seconds=100.0))
    return late


def markdown(rows: list[Collected]) -> str:
    """The report's table."""
    lines = [f"| {r.trials:,} | {r.fresh:,} | {r.seconds:.2f} | {r.peak_memory_bytes / 2**20:.0f} MiB |" for r in rows]
    return "\n".join(
        ["| trials | shards not read before | seconds to collect | peak memory |", "|---|---|---|---|", *lines]
    )


if __name__ == "__main__":
    sys.argv[1:] = ["collect", "--runs", sys.argv[1]]
    with suppress(SystemExit):
        cli.main()
    print(json.dumps({"peak_memory_bytes": process_peak()}))
