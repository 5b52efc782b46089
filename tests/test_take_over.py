"""A submission takes over what another run has finished, and says so."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lab2.report.caption import caption
from lab2.results.collect import collect
from lab2.results.run_dir import RunDir, open_run
from lab2.results.shard import write_shard
from tests.conftest import asked_weights, finished
from tests.test_inputs import edit, with_imagenet, write_net
from tests.test_local import write_jobs
from tests.test_reuse import COMMIT, HERE

TOOLS = {
    "sbatch": 'case "$*" in --test-only*) cat >/dev/null ;; *) echo Submitted batch job 17 ;; esac',
    "scontrol": "echo MaxArraySize = 1001",
    "squeue": "true",
    "srun": "true",
}


class TestSubmit:
    """As a user submits twice; Slurm's own commands only take what they are handed."""

    @pytest.fixture(autouse=True)
    def slurm(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = tmp_path / "bin"
        folder.mkdir()
        for name, does in TOOLS.items():
            (folder / name).write_text(f"#!/bin/sh\n{does}\n")
            (folder / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        monkeypatch.setenv("LAB2_COMMIT", COMMIT)

    @pytest.fixture
    def submit(self, tmp_path: Path, runs: Path, run_cli) -> Callable[..., tuple[str, RunDir]]:
        """What the CLI says of a submission of a network of one's own with two seeds, and the run."""
        (tmp_path / "nodes.toml").write_text('partition = "cpu"\n')
        net = write_net(tmp_path / "my")
        jobs = write_jobs(tmp_path / "jobs", {"own": f"ImportedConfig(network='{net}:Net')"})

        def ask(*more: str) -> tuple[str, RunDir]:
            words = ("--profile", f"{tmp_path}/nodes.toml", "--jobs", jobs, "--seeds", "2", "--runs", str(runs))
            code, said, errors = run_cli("submit", "--no-baselines", *words, *more)
            assert code == 0, errors
            return said, open_run(runs, "latest")

        return ask

    def test_an_edited_network_is_trained_anew_and_one_that_is_as_it_was_is_not(self, tmp_path: Path, submit):
        said, first = submit()
        assert "2 of 2 trials for Slurm" in said
        for trial in first.read_plan().trials:
            theirs = {**HERE, "scheduler_job_id": f"17_{trial.seed - 1}", "dataset_sha256": trial.inputs["data mnist"]}
            write_shard(first.shard(trial.name), finished(trial, **theirs))
        said, second = submit()
        assert f"own-seed1, own-seed2: finished in run {first.path.name}, taken from there (--rerun" in said
        assert "nothing to submit" in said
        assert f"2 of 2 trials taken over from run {first.path.name}" in caption(collect(second))
        said, _ = submit("--set", "resources.cpus=3")
        reason = "with another cpus asked of Slurm (4, on NVIDIA A100; here 3)"
        assert f"own-seed1, own-seed2: run again: finished in run {first.path.name}, {reason}" in said
        edit(tmp_path / "my" / "net.py")
        said, third = submit()
        assert "2 of 2 trials for Slurm" in said
        assert "taken" not in said
        assert not list(third.shards.iterdir())

    def test_what_auto_weights_are_is_said_where_it_is_settled(self, tmp_path: Path, runs: Path, run_cli, monkeypatch):
        (tmp_path / "nodes.toml").write_text('partition = "cpu"\n')
        jobs = write_jobs(tmp_path / "jobs", {"mine": "AlexNetConfig()"})
        words = ("submit", "--no-baselines", "--profile", f"{tmp_path}/nodes.toml", "--jobs", jobs, "--runs", str(runs))
        _, said, _ = run_cli(*words)
        assert f"training starts: alexnet from random weights ({tmp_path}/cache/weights has no others" in said
        (before,) = open_run(runs, "latest").read_plan().trials
        write_shard(open_run(runs, "latest").shard(before.name), finished(before, **HERE))
        with_imagenet(tmp_path / "cache", monkeypatch)
        _, said, _ = run_cli(*words)
        assert f"training starts: alexnet from ImageNet's weights in {tmp_path}/cache/weights\n" in said
        assert "1 of 1 trials for Slurm" in said
        (after,) = open_run(runs, "latest").read_plan().trials
        assert (asked_weights(before), asked_weights(after)) == ("random", "imagenet")
