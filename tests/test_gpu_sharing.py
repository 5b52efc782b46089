"""Which GPU a trial on this machine is given, and how many trials one takes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from submitit.core.utils import DelayedSubmission

from lab2.launch import local
from lab2.launch.local import run_locally
from lab2.results.collect import collect
from lab2.results.run_dir import RunDir
from lab2.spec.job import Resources, Trial
from lab2.spec.plan import Plan
from tests.conftest import make_run, make_trial
from tests.test_local import children, command


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="LOUD: there are real GPUs here; this test needs none")
def test_each_trial_has_a_gpu_to_itself(tmp_path: Path):
    """The trials ask for GPUs that are not here and fail; what they were given is in what they were sent."""
    trials = [make_trial("cnn", seed=seed) for seed in (1, 2, 3)]
    run = make_run(tmp_path, *trials)
    most = 0
    for _ in run_locally(run, run.read_plan(), trials, parallel=3, cores=2, gpus=["GPU-4f", "MIG-5e"]):
        most = max(most, sum("core._submit" in command(pid) for pid in children(run.path)))
    assert most <= 2
    sent: list[Any] = [DelayedSubmission.load(path).function for path in run.path.glob("logs/*/*_submitted.pkl")]
    assert len(sent) == 3
    assert {task.gpu for task in sent} == {"GPU-4f", "MIG-5e"}
    assert all("--device cuda: not on this machine" in row.reason for row in collect(run).rows)


@dataclass
class Faked:
    """A trial that runs until it is ended."""

    trial: Trial
    gpu: str
    ended: bool = False

    def has_ended(self) -> bool:
        return self.ended

    def write_missing_shard(self, state: str, reason: str) -> None:
        assert (state, reason) == ("failed", "its process ended without a result")


def test_trials_share_a_gpu_as_their_resources_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Two trials of half a GPU are on one; a whole one waits until a GPU is free, and nothing overtakes it."""
    begun: list[Faked] = []

    def start(run: RunDir, plan: Plan, trial: Trial, threads: int, gpu: str, python: str | None, at_once: int):
        assert python is None
        begun.append(Faked(trial, gpu))
        return begun[-1]

    monkeypatch.setattr(local, "_start", start)
    monkeypatch.setattr(local, "_stop", lambda running: None)
    monkeypatch.setattr(local, "POLL_SECONDS", 0)
    trials = [
        replace(one, job=replace(one.job, resources=Resources(trials_per_gpu=count)))
        for one, count in ((make_trial("cnn", seed=n), count) for n, count in enumerate((2, 2, 2, 1, 2), start=1))
    ]
    run = make_run(tmp_path, *trials)
    updates = run_locally(run, run.read_plan(), trials, parallel=9, cores=2, gpus=["a", "b"])
    next(updates)
    assert [one.gpu for one in begun] == ["a", "b", "a"]  # the fourth needs a whole one
    begun[0].ended = begun[2].ended = True
    next(updates)
    assert [(one.trial.seed, one.gpu) for one in begun[3:]] == [(4, "a"), (5, "b")]
    for one in begun:
        one.ended = True
    list(updates)
    assert len(begun) == len(trials)
