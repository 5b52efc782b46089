"""Trials whose times a study compares run one at a time, here and on Slurm, and so do those that it goes on with."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from lab2.cli.claiming import resumed_at_once
from lab2.study import claim as claim_module
from lab2.study.claim import claims
from lab2.study.record import record_of, write_record
from tests.conftest import make_run, make_trial
from tests.test_claims import TRIALS, made

SBATCH = """
case "$*" in
  --test-only*) cat >> {told}/tested ;;
  *) for word; do script="$word"; done; cat "$script" >> {told}/submitted; echo "Submitted batch job $$" ;;
esac
"""


class TestOnSlurm:
    """What `sbatch` is handed; Slurm's own commands only take it."""

    @pytest.fixture
    def submitted(self, tmp_path: Path, monkeypatch, run_cli, runs):
        """Of the batch scripts that a command submits the lines on arrays and on dependencies; and what it says."""
        folder = tmp_path / "bin"
        folder.mkdir()
        tools = {"sbatch": SBATCH.format(told=tmp_path), "scontrol": "echo MaxArraySize = 1001", "squeue": "true",
                 "srun": "true"}  # fmt: skip
        for name, does in tools.items():
            (folder / name).write_text(f"#!/bin/sh\n{does}\n")
            (folder / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        (tmp_path / "nodes.toml").write_text('partition = "cpu"\n')

        def ask(*words: str) -> tuple[list[str], list[str], str]:
            (tmp_path / "submitted").write_text("")
            code, said, errors = run_cli(*words, "--profile", f"{tmp_path}/nodes.toml", "--runs", str(runs))
            assert code == 0, errors
            lines = (tmp_path / "submitted").read_text().splitlines()
            arrays, after = ([one for one in lines if f"--{name}=" in one] for name in ("array", "dependency"))
            return arrays, after, said

        return ask

    @pytest.mark.parametrize(
        ("timed", "words", "arrays"),
        [
            (True, (), "0-1%1"),
            (True, ("--parallel", "2"), "0-1%1"),
            (False, (), "0-1%2"),
            (False, ("--parallel", "1"), "0-1%1"),
        ],
    )
    def test_trials_whose_times_are_compared_run_one_at_a_time(self, submitted, monkeypatch, timed, words, arrays):
        others = tuple(replace(trial, job=replace(trial.job, name="other")) for trial in TRIALS)
        claim = made(timed=timed, plan=lambda size: (*TRIALS, *others))
        monkeypatch.setattr(claim_module, "claims", lambda: {claim.name: claim})
        monkeypatch.setattr("lab2.cli.claiming.claims", lambda: {claim.name: claim})
        monkeypatch.setattr("lab2.study.record.claims", lambda: {claim.name: claim})
        for command in (("study", "made"), ("resume", "latest")):
            found, after, said = submitted(*command, *words)
            assert found == [f"#SBATCH --array={arrays}"] * 2
            assert len(after) == ("%1" in arrays)  # the second array starts after the first has ended
            assert ("one trial at a time, and not 2" in said) is (timed and bool(words))


def test_what_compares_times_goes_on_one_at_a_time(tmp_path: Path):
    for name, at_once, unasked in (("scaling", 1, 1), ("parameters", 2, None)):
        run = make_run(tmp_path / name, make_trial())
        write_record(run.claim, record_of(claims()[name], "small", []))
        assert (resumed_at_once(run, 2), resumed_at_once(run, None)) == (at_once, unasked)
