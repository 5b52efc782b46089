"""A study on a real Slurm of three nodes: the same as here, stage by stage."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.killed import found
from lab2.results.collect import collect
from lab2.results.run_dir import open_run
from tests.slurm_cluster import (
    FEW,
    KERNELS,
    ON_A_REAL_SLURM,
    SMALL_JOB,
    all_ended,
    cluster_of,
    nothing_starts,
    submissions,
    wait_until,
    write_profile,
)
from tests.test_local import TINY_JOBS, lab2, write_jobs

pytestmark = ON_A_REAL_SLURM


@pytest.fixture(scope="module", autouse=True)
def cluster(tmp_path_factory) -> Iterator[Path]:
    yield from cluster_of(tmp_path_factory.mktemp("slurm"))


def test_a_study_gives_what_it_gives_locally(tmp_path: Path, runs: Path):
    names = {name: TINY_JOBS[name] for name in ("a_cnn", "b_vit")}
    jobs = write_jobs(tmp_path / "jobs", names, resources=SMALL_JOB.replace("cpus=1", "cpus=2"))
    given = [word for setting in (*FEW, *KERNELS[:1]) for word in ("--set", setting)]
    words = ["tune", "--jobs", jobs, "--trials", "3", "--budget", "100-images", "--folds", "1", "--seeds", "1", *given]
    with nothing_starts():
        said = lab2(*words, "--profile", write_profile(tmp_path), "--runs", str(runs)).stdout
        assert "submits the next stage" in said
        run = open_run(runs, "latest")
        searches = [one.trials for one in submissions(run)]
        assert searches == [tuple(f"{job}_t{i}-seed0" for i in range(3)) for job in names]  # an array a job
        early = lab2("resume", "--runs", str(runs))
    assert "left alone, still running or queued" in early.stderr
    assert len(submissions(run)) == 2
    wait_until(run, all_ended)
    assert "lab2 report" in lab2("resume", "--runs", str(runs)).stdout
    assert [one.trials for one in submissions(run)[2:]] == [("a_cnn-seed1",), ("b_vit-seed1",)]
    wait_until(run, all_ended)
    assert [row.status for row in collect(run).rows] == ["ok"] * 8, [row.reason for row in collect(run).rows]
    assert "The search, judged by validation images" in lab2("resume", "--runs", str(runs)).stdout
    assert "a_cnn_t1" in lab2("status", "--runs", str(runs)).stdout
    assert lab2("logs", "a_cnn_t1-seed0", "--runs", str(runs)).stdout
    lab2(*words, "--runs", str(tmp_path / "here"))
    assert found(run) == found(open_run(tmp_path / "here", "latest"))
