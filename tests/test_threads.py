"""A trial has its cores, whatever the environment says of threads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab2.launch.task import TrialTask
from lab2.results.collect import collect
from lab2.results.run_dir import open_run
from lab2.results.shard import read_shard
from tests.conftest import PATIENCE_S, make_run, make_trial
from tests.test_local import TINY_JOBS, lab2, settings, write_jobs


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def bound() -> dict[str, str]:
    """This environment, as a cluster's modules may have left it, and without what Slurm grants."""
    unlimited = {name: value for name, value in os.environ.items() if name != "SLURM_CPUS_PER_TASK"}
    return unlimited | {"OMP_PROC_BIND": "true", "OMP_PLACES": "cores"}


@pytest.mark.slow
@pytest.mark.skipif(cores() < 2, reason="LOUD: one core cannot tell a bound process from a free one")
class TestThreadsBoundByTheEnvironment:
    """lab2 uses the cores that it was given all the same."""

    def test_of_a_launcher(self, tmp_path: Path, runs: Path):
        jobs = write_jobs(tmp_path / "jobs", {"a_cnn": TINY_JOBS["a_cnn"]})
        lab2("run-local", "--no-baselines", "--jobs", jobs, "--runs", str(runs), *settings(), env=bound())
        (row,) = collect(open_run(runs, "latest")).rows
        assert row.threads == cores()

    def test_of_a_node(self, tmp_path: Path):
        trial = make_trial()
        run = make_run(tmp_path, trial)
        code = f"from pathlib import *; from lab2.launch.task import *; {TrialTask(run.path, trial.name, 'cpu')}()"
        subprocess.run([sys.executable, "-c", code], env=bound(), check=True, timeout=PATIENCE_S)
        assert read_shard(run.shard(trial.name)).threads == cores()


@pytest.mark.slow
def test_a_folder_called_lab2_is_not_the_package(tmp_path: Path, runs: Path):
    """As the clone is in the folder that it was cloned into."""
    (tmp_path / "here" / "lab2").mkdir(parents=True)
    jobs = write_jobs(tmp_path / "jobs", {"a_cnn": TINY_JOBS["a_cnn"]})
    for words in (("run-local", "--no-baselines"), ("train", "a_cnn")):
        command = [sys.executable, "-P", "-m", "lab2.cli", *words, "--jobs", jobs, "--runs", str(runs), *settings()]
        done = subprocess.run(
            command, cwd=tmp_path / "here", capture_output=True, text=True, check=False, timeout=PATIENCE_S
        )
        assert done.returncode == 0, done.stdout + done.stderr
