"""What the tests on a real Slurm share: how to submit to it, and how to wait for what becomes of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab2.launch.status import RunStatus, status
from lab2.results.journal import read_progress
from lab2.results.run_dir import RunDir, open_run
from lab2.results.shard import read_shard
from tests.conftest import PATIENCE_S
from tests.paced import PACED
from tests.test_local import SUBMIT, children, command, lab2, write_jobs

ROOT = Path(__file__).parents[1]
CLUSTER = ROOT / "slurm" / "testcluster" / "cluster"
DAEMONS = ("slurmctld", "slurmd", "munged", "slurmdbd", "mariadbd")
ACCOUNTING = os.environ.get("ACCOUNTING", "0")
PROFILE = """
partition = "main"
signal_delay_s = {signal_delay_s}
{more}
"""
FEW = ("data.train_images=150", "data.validation_images=50", "data.test_images=50")
KERNELS = ("train.precision=fp32", "train.memory_format=channels_last", "train.convolution=direct")  # the same bits
# A second an epoch, at least.
LONG = ("data.train_images=2000", "data.validation_images=100", "data.test_images=300", *KERNELS)
SMALL_JOB = "gpus=0, cpus=1, memory_gb=1.9, timeout_min=10"
ON_A_REAL_SLURM = [
    pytest.mark.slurm,
    pytest.mark.timeout(2 * PATIENCE_S),
    pytest.mark.skipif("LAB2_TEST_SLURM" not in os.environ, reason="LOUD: a real Slurm is tested by `make test-slurm`"),
]


def cluster_of(place: Path) -> Iterator[Path]:
    """Three nodes, arrays of at most four tasks, requeued jobs wait five seconds; ended afterwards."""
    missing = [name for name in (DAEMONS if ACCOUNTING == "1" else DAEMONS[:3]) if not shutil.which(name)]
    if missing:
        pytest.skip(f"LOUD: {', '.join(missing)} not here; apt install slurm-wlm munge slurmdbd mariadb-server")
    os.environ.update(
        CLUSTER_DIR=str(place / "c"),
        CLUSTER_MAX_ARRAY="4",
        CLUSTER_REQUEUE_WAIT="5",
        SLURM_CONF=str(place / "c" / "slurm.conf"),
        ACCOUNTING=ACCOUNTING,
    )
    verb("up")
    yield place
    verb("down")


def verb(*words: str) -> None:
    done = subprocess.run([str(CLUSTER), *words], capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stdout + done.stderr


def write_profile(folder: Path, more: str = "", signal_delay_s: int = 10) -> str:
    path = folder / "cluster.toml"
    path.write_text(PROFILE.format(more=more, signal_delay_s=signal_delay_s))
    return str(path)


def submit(folder: Path, runs: Path, jobs: str, settings: tuple[str, ...], *more: str, profile: str = "") -> RunDir:
    """Submit as a user does, and open the run that it makes."""
    words = [word for setting in settings for word in ("--set", setting)]
    profile = profile or write_profile(folder)
    lab2(*SUBMIT, "--profile", profile, "--jobs", jobs, *words, *more, "--runs", str(runs))
    return open_run(runs, "latest")


def submit_command(folder: Path, runs: Path, jobs: str, settings: tuple[str, ...]) -> str:
    """For a shell that is not this process."""
    words = " ".join((*SUBMIT, "--jobs", jobs, *(word for setting in settings for word in ("--set", setting))))
    return f"{sys.executable} -m lab2.cli {words} --profile {write_profile(folder)} --runs {runs}"


def wait_until(run: RunDir, claim: Callable[[RunStatus], bool]) -> RunStatus:
    """What became of the run's trials, once `claim` holds."""
    until = time.monotonic() + PATIENCE_S
    while True:
        now = status(run, run.read_plan())
        if claim(now):
            return now
        if time.monotonic() > until or (all_ended(now) and not now.caveat):  # too late, or nothing more to come
            pytest.fail("\n".join(f"{t.trial}: {t.state}: {t.reason}" for t in now.trials))
        time.sleep(0.5)


def all_ended(now: RunStatus) -> bool:
    return all(trial.ended for trial in now.trials)


def states(now: RunStatus) -> dict[str, str]:
    return {trial.trial.removesuffix("-seed1"): trial.state for trial in now.trials}


def reasons(now: RunStatus) -> dict[str, str]:
    return {trial.trial.removesuffix("-seed1"): trial.reason for trial in now.trials}


def deep_in_training(run: RunDir, trial: str, epoch: float = 1.3) -> bool:
    now = read_progress(run, trial)
    return now is not None and now.state == "training" and now.epoch > epoch


def worker(run: RunDir) -> int:
    """The process of the only trial of `run` that runs now."""
    (pid,) = [p for p in children(run.path) if "core._submit" in command(p) and not command(p).startswith("srun")]
    return pid


def slurm(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=PATIENCE_S).stdout


@contextmanager
def nothing_starts() -> Iterator[None]:
    """Inside, what is submitted waits, however short it is: the partition takes jobs and starts none."""
    slurm("scontrol", "update", "PartitionName=main", "State=DOWN")
    try:
        yield
    finally:
        slurm("scontrol", "update", "PartitionName=main", "State=UP")


def queued() -> set[str]:
    """The numbers of the jobs that wait or run."""
    return set(slurm("squeue", "--noheader", "--states=PENDING,RUNNING", "--format=%i").split())


def submissions(run: RunDir):
    from lab2.launch.submission import read_submissions

    return read_submissions(run)


def shorten(run: RunDir) -> None:
    """Let the rest of a run take seconds: fewer epochs in its plan."""
    plan = json.loads(run.plan.read_text())
    for one in plan["jobs"]:
        one["job"]["train"]["epochs"] = 1.0
    run.plan.write_text(json.dumps(plan))


def undisturbed_predictions(folder: Path) -> bytes:
    """The predictions of a trial that nobody interrupted."""
    jobs = write_jobs(folder / "jobs", {"long": PACED}, epochs=20, resources=SMALL_JOB)
    run = submit(folder, folder / "runs", jobs, LONG)
    wait_until(run, all_ended)
    assert read_shard(run.shard("long-seed1")).attempts == 1
    return run.predictions("long-seed1").read_bytes()
