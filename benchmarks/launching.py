"""How the time of `lab2 submit` and `lab2 status` grows with the number of trials, on a real Slurm.

It starts a cluster of its own, like that of `make cluster-up`. The jobs may not begin before tomorrow, so that nothing
trains.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.apart import ROOT
from lab2.spec.catalogue import read_catalogue

CLUSTER = ROOT / "slurm" / "testcluster" / "cluster"
COUNTS = (10, 100, 1_000, 10_000)
PROFILE = """
partition = "main"
[sbatch]
begin = "now+1day"
[resources]
gpus = 0
cpus = 1
memory_gb = 2
"""


class NoSlurmError(Exception):
    """No Slurm could be started here; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launched:
    """The seconds of two commands, including the start of Python."""

    trials: int
    submit_seconds: float
    status_seconds: float


def measure() -> Iterator[Launched]:
    """The seconds for each number of trials. Raises `NoSlurmError` where no Slurm can be started."""
    with tempfile.TemporaryDirectory(prefix="lab2-launch-") as folder:
        environment = {
            **os.environ, "CLUSTER_DIR": f"{folder}/c", "SLURM_CONF": f"{folder}/c/slurm.conf",
            "CLUSTER_MAX_ARRAY": "1001",
        }  # fmt: skip
        started = subprocess.run([CLUSTER, "up"], env=environment, capture_output=True, text=True, check=False)
        if started.returncode:
            raise NoSlurmError(started.stderr.strip())
        try:
            profile = Path(folder) / "waits.toml"
            profile.write_text(PROFILE)
            for count in COUNTS:
                yield _launch(count, profile, Path(folder) / f"runs-{count}", environment)
        finally:
            subprocess.run([CLUSTER, "down"], env=environment, stdout=subprocess.DEVNULL, check=True)


def _launch(count: int, profile: Path, runs: Path, environment: dict[str, str]) -> Launched:
    def seconds(*words: str) -> float:
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "lab2.cli", *words, "--runs", str(runs)],
            cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=True,
        )  # fmt: skip
        return time.perf_counter() - began

    seeds = count // len(read_catalogue(ROOT / "jobs"))
    launched = Launched(
        trials=count,
        submit_seconds=seconds("submit", "--no-baselines", "--profile", str(profile), "--seeds", str(seeds)),
        status_seconds=seconds("status"),
    )
    seconds("cancel")
    return launched


def markdown(rows: list[Launched]) -> str:
    """The measurements as a Markdown table."""
    lines = [f"| {r.trials:,} | {r.submit_seconds:.1f} | {r.status_seconds:.1f} |" for r in rows]
    return "\n".join(["| trials | seconds to submit | seconds of status |", "|---|---|---|", *lines])
