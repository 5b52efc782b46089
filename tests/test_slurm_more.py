"""`lab2 more` on a real Slurm: it submits the seeds of one look, and looks when it is called again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab2.results.collect import collect
from tests.slurm_cluster import (
    FEW,
    ON_A_REAL_SLURM,
    SMALL_JOB,
    all_ended,
    cluster_of,
    nothing_starts,
    submissions,
    submit,
    wait_until,
)
from tests.test_local import TINY_JOBS, lab2, write_jobs

pytestmark = ON_A_REAL_SLURM


@pytest.fixture(scope="module", autouse=True)
def cluster(tmp_path_factory) -> Iterator[Path]:
    yield from cluster_of(tmp_path_factory.mktemp("slurm"))


def test_looks_are_submitted_one_after_the_other(tmp_path: Path, runs: Path):
    names = {name: TINY_JOBS[name] for name in ("a_cnn", "b_vit")}
    jobs = write_jobs(tmp_path / "jobs", names, resources=SMALL_JOB)
    run = submit(tmp_path, runs, jobs, FEW)
    wait_until(run, all_ended)
    with nothing_starts():
        said = lab2("more", "--decide", "a_cnn,b_vit", "--looks", "2,3", "--runs", str(runs)).stdout
        assert "lab2 more" in said.splitlines()[-1]
        assert [one.trials for one in submissions(run)[2:]] == [("a_cnn-seed2",), ("b_vit-seed2",)]
        early = lab2("more", "--runs", str(runs))
    assert "left alone, still running or queued" in early.stderr
    assert len(submissions(run)) == 4
    wait_until(run, all_ended)
    done = lab2("more", "--runs", str(runs), check=None)
    decided = "Decided at look 1 of 2" in done.stdout
    assert decided or [one.trials for one in submissions(run)[4:]] == [("a_cnn-seed3",), ("b_vit-seed3",)]
    wait_until(run, all_ended)
    last = lab2("more", "--runs", str(runs), check=None)
    assert (last.returncode in (0, 1), "ecided at" in last.stdout.splitlines()[-1]) == (True, True), last.stderr
    assert {row.status for row in collect(run).rows} == {"ok"}
