"""`lab2 more` from end to end: decided at the first look, it stops there; killed in between, the same end."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from lab2.more.planned_looks import read_looks
from lab2.results.collect import collect
from lab2.results.run_dir import RunDir, open_run
from tests.conftest import PATIENCE_S
from tests.test_local import ALONE, TINY_JOBS, lab2, start, wait_for, write_jobs
from tests.test_tune import end_all

FEW = (
    *("data.train_images=600", "data.validation_images=50", "data.test_images=300"),
    *("a_cnn:train.learning_rate=1e-2", "b_vit:train.learning_rate=1e-7"),  # the second stays at chance
    *("train.precision=fp32", "train.memory_format=channels_last", "train.convolution=direct"),  # the same bits
)
DECIDE = ("more", "--decide", "b_vit,a_cnn", "--looks", "3,4")


def ended(run: RunDir) -> list[object]:
    """All that depends on no clock."""
    rows = [(row.trial, row.digest, row.status, row.accuracy) for row in collect(run).rows]
    pairs = list(csv.DictReader((run.report / "pairs.csv").open()))
    return [rows, pairs, read_looks(run.looks)]


@pytest.mark.slow
def test_a_pair_that_is_decided_at_the_first_look_stops_there_also_when_it_was_killed(tmp_path: Path, runs: Path):
    names = {name: TINY_JOBS[name] for name in ("a_cnn", "b_vit")}
    jobs = write_jobs(tmp_path / "jobs", names, epochs=8, resources="timeout_min=10")
    given = [word for setting in FEW for word in ("--set", setting)]
    lab2(*ALONE, "--jobs", jobs, *given, "--runs", str(runs))
    run = open_run(runs, "latest")
    before = run.plan.read_bytes()
    shutil.copytree(runs, tmp_path / "whole", symlinks=True)
    process = start(*DECIDE, runs=runs)
    wait_for(lambda: run.history("a_cnn-seed2").exists() or process.poll() is not None, PATIENCE_S)
    assert process.poll() is None, process.communicate()
    assert run.looks.exists()
    looks = run.looks.read_bytes()
    end_all(run, process)
    assert run.plan.read_bytes() != before
    said = lab2("more", "--runs", str(runs)).stdout
    assert "Decided at look 1 of 2 (3 seeds of each): a_cnn is better than b_vit by " in said.splitlines()[-1]
    assert run.looks.read_bytes() == looks
    assert run.read_plan().names == tuple(f"{job}-seed{seed}" for job in ("a_cnn", "b_vit") for seed in (1, 2, 3))
    lab2(*DECIDE, "--runs", str(tmp_path / "whole"))
    assert ended(run) == ended(open_run(tmp_path / "whole", "latest"))
    content = run.plan.read_bytes()
    assert "Decided at look 1 of 2" in lab2("more", "--runs", str(runs)).stdout
    assert run.plan.read_bytes() == content
    assert "added in looks planned beforehand" in (run.report / "table.md").read_text()
