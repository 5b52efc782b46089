"""Which GPU a trial on this machine is given, and how many trials one takes."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from submitit.core.utils import DelayedSubmission

from lab2.launch.at_once import run_measured
from lab2.launch.gpus import Gpus
from lab2.launch.local import run_locally
from lab2.launch.task import TrialTask
from lab2.results.collect import collect
from lab2.results.run_dir import RunDir
from lab2.spec.job import Resources, Trial
from tests.conftest import make_run, make_trial

WITHOUT_GPUS = pytest.mark.skipif(torch.cuda.is_available(), reason="LOUD: there are real GPUs here; it needs none")


def trial(seed: int, *, per_gpu: int, **recipe: str) -> Trial:
    one = make_trial("cnn", seed=seed, **recipe)
    return replace(one, job=replace(one.job, resources=Resources(trials_per_gpu=per_gpu)))


def sent(run: RunDir) -> dict[str, TrialTask]:
    """What each trial's process was sent."""
    tasks = [DelayedSubmission.load(path).function for path in run.path.glob("logs/*/*_submitted.pkl")]
    return {task.trial: task for task in tasks if isinstance(task, TrialTask)}


class TestShares:
    def test_two_trials_of_half_a_gpu_are_on_one_and_a_whole_one_waits(self):
        gpus, half, whole = Gpus(["a", "b"]), trial(1, per_gpu=2), trial(2, per_gpu=1)
        assert (gpus.most(half), gpus.most(whole)) == (4, 2)
        assert [gpus.take(half) for _ in range(3)] == ["a", "b", "a"]
        assert gpus.take(whole) is None
        gpus.give_back("b", half)
        assert gpus.take(whole) == "b"
        assert gpus.take(half) is None
        gpus.give_back("a", half)
        assert gpus.take(half) == "a"


@pytest.mark.slow
@WITHOUT_GPUS
class TestGiven:
    """The trials ask for GPUs that are not here and fail; what they were given is in what they were sent."""

    def test_each_trial_has_a_gpu_to_itself(self, tmp_path: Path):
        trials = [trial(seed, per_gpu=1) for seed in (1, 2, 3)]
        run = make_run(tmp_path, *trials)
        for lines in run_locally(run, run.read_plan(), trials, parallel=3, cores=2, gpus=["GPU-4f", "MIG-5e"]):
            running = [sent(run)[line.trial].gpu for line in lines if line.state == "running"]
            assert len(running) == len(set(running))
        found = [sent(run)[one.name] for one in trials]
        assert [task.gpu for task in found[:2]] == ["GPU-4f", "MIG-5e"]
        assert found[2].gpu in ("GPU-4f", "MIG-5e")
        assert {task.at_once for task in found} == {2}
        assert all("--device cuda: not on this machine" in row.reason for row in collect(run).rows)

    def test_a_trial_that_takes_a_gpu_whole_has_the_cores_of_one_and_says_so(self, tmp_path: Path):
        trials = [trial(1, per_gpu=2), trial(2, per_gpu=2), trial(3, per_gpu=1)]
        run = make_run(tmp_path, *trials)
        list(run_locally(run, run.read_plan(), trials, parallel=3, cores=2, gpus=["GPU-4f"]))
        found = [sent(run)[one.name] for one in trials]
        assert {task.gpu for task in found} == {"GPU-4f"}  # the third waited for it
        assert [(task.at_once, task.threads, task.gpu_share) for task in found] == [(2, 1, 0.5), (2, 1, 0.5), (1, 2, 1)]

    @pytest.mark.parametrize(("recipe", "at_once"), [({}, 2), ({"budget": "60s"}, 1)])
    def test_auto_lets_them_share_but_not_under_a_budget_in_time(self, tmp_path: Path, recipe, at_once: int):
        trials = [trial(seed, per_gpu=2, **recipe) for seed in (1, 2)]
        run, told = make_run(tmp_path, *trials), list[str]()
        list(run_measured(run, run.read_plan(), trials, cores=2, gpus=["GPU-4f"], report=told.append))
        assert {task.at_once for task in sent(run).values()} == {at_once}
        assert told[0].startswith(f"cnn: {at_once} at once (")


@WITHOUT_GPUS
def test_a_trial_sees_the_gpu_that_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """submitit hides all GPUs from the process of a trial."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("HIP_VISIBLE_DEVICES", "0,1")
    one = trial(1, per_gpu=1)
    run = make_run(tmp_path, one)
    assert TrialTask(run.path, one.name, "cuda", gpu="GPU-4f")() == "failed"  # there is none
    assert os.environ["CUDA_VISIBLE_DEVICES"] == os.environ["HIP_VISIBLE_DEVICES"] == "GPU-4f"


def test_a_trial_keeps_to_its_share_of_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    told: list[tuple[str, float]] = []
    monkeypatch.setattr("lab2.trial.keep_to_share", lambda device, share: told.append((device.type, share)))
    one = trial(1, per_gpu=4)
    run = make_run(tmp_path, one)
    assert TrialTask(run.path, one.name, "cpu", gpu_share=0.25)() == "ok"
    assert told == [("cpu", 0.25)]
