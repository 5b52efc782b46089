"""How the time of collecting a run grows with the number of its trials. The shards are invented, the command is real.

Each measurement runs in a process of its own. A run of more than `LATER` trials is collected twice: first without
`LATER` of its shards, then with them.
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
LATER = 100  # in larger runs, the number of shards that are added after the first collect


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """The seconds and memory of one collect."""

    trials: int
    fresh: int  # shards that were not in the cache
    seconds: float
    peak_memory_bytes: int


def measure() -> Iterator[Collected]:
    """The measurements for each number of trials."""
    for count in COUNTS:
        with tempfile.TemporaryDirectory(prefix="lab2-many-") as folder:
            late = _make(Path(folder), count)
            yield _collect(folder, count, count - len(late))
            for path in late:
                path.rename(path.with_name(path.name.removeprefix(".")))
            if late:
                yield _collect(folder, count, len(late))


def _collect(runs: str, trials: int, fresh: int) -> Collected:
    """Measure the command, from its start to the report's files."""
    began = time.perf_counter()
    memory = measured_by("many_trials", runs)
    return Collected(trials=trials, fresh=fresh, seconds=time.perf_counter() - began, **memory)


def _make(runs: Path, count: int) -> list[Path]:
    """Make a run of `count` trials with shards; returns those that come later, hidden by a dot before their name."""
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
    """The measurements as a Markdown table."""
    lines = [f"| {r.trials:,} | {r.fresh:,} | {r.seconds:.2f} | {r.peak_memory_bytes / 2**20:.0f} MiB |" for r in rows]
    return "\n".join(
        ["| trials | shards not read before | seconds to collect | peak memory |", "|---|---|---|---|", *lines]
    )


if __name__ == "__main__":
    sys.argv[1:] = ["collect", "--runs", sys.argv[1]]
    with suppress(SystemExit):
        cli.main()
    print(json.dumps({"peak_memory_bytes": process_peak()}))
