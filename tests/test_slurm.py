"""On a real Slurm of three nodes: preempted, killed, cancelled, out of memory, and every trial a row.

`make test-slurm` runs these, with accounting and without. The cluster is started and stopped here.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab2.launch.status import RunStatus, status
from lab2.results.collect import collect
from lab2.results.journal import read_attempts
from lab2.results.run_dir import open_run
from lab2.results.shard import read_shard
from tests.conftest import PATIENCE_S
from tests.paced import PACED
from tests.slurm_cluster import (
    FEW,
    LONG,
    ON_A_REAL_SLURM,
    ROOT,
    SMALL_JOB,
    all_ended,
    cluster_of,
    deep_in_training,
    queued,
    reasons,
    shorten,
    slurm,
    states,
    submissions,
    submit,
    submit_command,
    undisturbed_predictions,
    verb,
    wait_until,
    write_profile,
)
from tests.test_local import ALONE, SUBMIT, TINY_JOBS, children, command, lab2, write_jobs

pytestmark = ON_A_REAL_SLURM


@pytest.fixture(scope="module", autouse=True)
def cluster(tmp_path_factory) -> Iterator[Path]:
    yield from cluster_of(tmp_path_factory.mktemp("slurm"))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> bytes:
    return undisturbed_predictions(tmp_path_factory.mktemp("undisturbed"))


@pytest.mark.ends
def test_five_architectures_give_the_table_that_they_give_locally(tmp_path: Path, runs: Path):
    resources = "gpus=0, cpus=2, memory_gb=5.5, timeout_min=10"
    jobs = write_jobs(tmp_path / "jobs", TINY_JOBS, resources=resources)
    few = (*FEW, "data.train_images=50", "train.batch_size=25")
    run = submit(tmp_path, runs, jobs, few)
    assert not any("lab2.cli" in command(pid) for pid in children(run.path))  # no process stays behind
    wait_until(run, all_ended)
    remote = collect(run).rows
    assert [row.status for row in remote] == ["ok"] * 5, [row.reason for row in remote]
    words = [word for setting in few for word in ("--set", setting)]
    lab2(*ALONE, "--jobs", jobs, *words, "--runs", str(tmp_path / "local"))
    here = open_run(tmp_path / "local", "latest")
    same = [(row.accuracy, row.macro_f1, row.map_50, row.threads) for row in remote]
    assert same == [(row.accuracy, row.macro_f1, row.map_50, row.threads) for row in collect(here).rows]
    for row in remote:
        assert row.scheduler_job_id
        assert run.predictions(row.trial).read_bytes() == here.predictions(row.trial).read_bytes()
    table = json.loads((run.report / "table.json").read_text()) if lab2("report", "--runs", str(runs)) else []
    assert [row["status"] for row in table] == ["ok"] * 5
    # What is finished is not run again: elsewhere neither, if the code is the same.
    again = lab2("resume", "--runs", str(runs)).stdout
    assert "nothing to resume: 5 of 5" in again


def test_what_another_run_has_finished_is_taken_over_and_what_is_asked_for_otherwise_is_not(
    tmp_path: Path, runs: Path, monkeypatch
):
    monkeypatch.setenv("LAB2_COMMIT", "c" * 40)  # as an image states it: the checkout of a test may have changes
    jobs = write_jobs(tmp_path / "jobs", {"small": TINY_JOBS["a_cnn"]}, resources=SMALL_JOB)
    first = submit(tmp_path, runs, jobs, FEW, "--seeds", "2")
    wait_until(first, all_ended)
    settings = [word for setting in FEW for word in ("--set", setting)]
    words = ["--profile", write_profile(tmp_path), "--jobs", jobs, *settings, "--seeds", "2", "--runs", str(runs)]
    said = lab2(*SUBMIT, *words).stdout
    assert f"small-seed1, small-seed2: finished in run {first.path.name}, taken from there" in said
    assert f"2 of 2 trials taken over from run {first.path.name}" in lab2("report", "--runs", str(runs)).stdout
    said = lab2(*SUBMIT, *words, "--set", "resources.cpus=2").stdout
    assert f"run again: finished in run {first.path.name}, with another cpus asked of Slurm (1, on" in said
    lab2("cancel", "--runs", str(runs))


def test_an_array_larger_than_the_site_allows_is_split_and_capped(tmp_path: Path, runs: Path):
    jobs = write_jobs(tmp_path / "jobs", {"small": TINY_JOBS["a_cnn"]}, resources=SMALL_JOB)
    run = submit(tmp_path, runs, jobs, FEW, "--seeds", "10", "--parallel", "3")
    most = 0

    def watched(now: RunStatus) -> bool:
        nonlocal most
        most = max(most, sum(trial.state == "running" for trial in now.trials))
        return all_ended(now)

    wait_until(run, watched)
    rows = collect(run).rows
    assert [(row.seed, row.status) for row in rows] == [(seed, "ok") for seed in range(1, 11)]
    assert len({row.scheduler_job_id.partition("_")[0] for row in rows if row.scheduler_job_id}) == 3
    assert 1 <= most <= 3


def test_a_preempted_trial_ends_with_the_same_bits(tmp_path: Path, runs: Path, undisturbed: bytes):
    jobs = write_jobs(tmp_path / "jobs", {"long": PACED}, epochs=20, resources=SMALL_JOB)
    run = submit(tmp_path, runs, jobs, LONG, "--rerun")
    wait_until(run, lambda _: deep_in_training(run, "long-seed1"))
    slurm("sbatch", "-p", "urgent", "-N3", "--exclusive", "--output=/dev/null", "--wrap", "sleep 3")
    now = wait_until(run, lambda now: now.trials[0].state == "queued")
    assert "goes on after an interruption" in now.trials[0].reason
    wait_until(run, all_ended)
    shard = read_shard(run.shard("long-seed1"))
    assert (shard.status, shard.attempts) == ("ok", 2)
    assert read_attempts(run, "long-seed1")[1].step > 0
    assert run.predictions("long-seed1").read_bytes() == undisturbed


def test_an_array_that_is_preempted_loses_nothing_and_repeats_nothing(tmp_path: Path, runs: Path, undisturbed: bytes):
    """Slurm calls one task of an array by the id of the whole: putting that back would start the finished ones too."""
    jobs = write_jobs(tmp_path / "jobs", {"long": PACED}, epochs=20, resources=SMALL_JOB)
    run = submit(tmp_path, runs, jobs, LONG, "--rerun", "--seeds", "4", "--parallel", "3")
    wait_until(run, lambda now: all(deep_in_training(run, f"long-seed{n}", 0.5) for n in (1, 2, 3)))
    slurm("sbatch", "-p", "urgent", "-N3", "--exclusive", "--output=/dev/null", "--wrap", "sleep 3")
    wait_until(run, all_ended)
    shards = [read_shard(run.shard(f"long-seed{n}")) for n in (1, 2, 3, 4)]
    assert [shard.status for shard in shards] == ["ok"] * 4, [shard.reason for shard in shards]
    assert [shard.attempts for shard in shards] == [2, 2, 2, 1]
    assert run.predictions("long-seed1").read_bytes() == undisturbed


def test_a_time_limit_shorter_than_the_trial_costs_nothing(tmp_path: Path, runs: Path):
    """Slurm looks every 30 s: of a minute less the signal's delay, and the start costs some: three pieces at least."""
    jobs = write_jobs(tmp_path / "jobs", {"longer": PACED}, epochs=112, resources=SMALL_JOB)
    whole = submit(tmp_path, runs, jobs, LONG, "--rerun")
    short = ("--set", "resources.timeout_min=1")
    cut = submit(tmp_path, runs, jobs, LONG, "--rerun", *short, profile=write_profile(tmp_path, signal_delay_s=30))
    wait_until(whole, all_ended)
    wait_until(cut, all_ended)
    shards = [read_shard(run.shard("longer-seed1")) for run in (whole, cut)]
    assert [shard.status for shard in shards] == ["ok", "ok"], shards[1].reason
    assert shards[1].attempts is not None
    assert shards[1].attempts >= 3
    assert cut.predictions("longer-seed1").read_bytes() == whole.predictions("longer-seed1").read_bytes()


@pytest.mark.ends
def test_each_death_is_a_row_with_its_reason_and_resume_completes_the_run(tmp_path: Path, runs: Path):
    folder = tmp_path / "jobs"
    jobs = write_jobs(folder, {"cancelled": PACED, "killed": PACED}, epochs=400, resources=SMALL_JOB)
    write_jobs(folder, {"fine": PACED}, resources=SMALL_JOB)
    write_jobs(folder, {"memory": PACED}, resources=SMALL_JOB.replace("1.9", "0.25"))
    run = submit(tmp_path, runs, jobs, LONG)
    killed, cancelled = "killed-seed1", "cancelled-seed1"
    wait_until(run, lambda _: deep_in_training(run, killed, 0.2) and deep_in_training(run, cancelled, 0.2))
    job_ids = {s.trials[0]: s.job_id for s in submissions(run)}
    slurm("scancel", job_ids[cancelled])
    (victim,) = [p for p in children(run.path) if f"logs/{'killed'}" in command(p) and "core._submit" in command(p)
                 and not command(p).startswith("srun")]  # fmt: skip
    os.kill(victim, signal.SIGKILL)
    now = wait_until(run, all_ended)
    assert states(now) == {"cancelled": "cancelled", "fine": "ok", "killed": "failed", "memory": "out_of_memory"}
    said = reasons(now)
    assert "ended by SIGKILL on n" in said["killed"]
    assert "resources.memory_gb" in said["memory"]
    assert "was cancelled in Slurm" in said["cancelled"]
    lab2("report", "--runs", str(runs))
    table = (run.report / "table.md").read_text()
    assert all(reason.split(";")[0] in table for reason in said.values())
    shorten(run)
    done = lab2("resume", "--runs", str(runs), "--set", "memory:resources.memory_gb=1.9")
    assert "without the nodes on which a trial was killed: n" in done.stdout
    assert "3 of 4 trials" in done.stdout
    wait_until(run, all_ended)
    assert [row.status for row in collect(run).rows] == ["ok"] * 4


@pytest.mark.ends
def test_a_dead_node_costs_what_the_last_checkpoint_lacks(tmp_path: Path, runs: Path, undisturbed: bytes):
    resources = f"{SMALL_JOB}, checkpoint_seconds=1"
    jobs = write_jobs(tmp_path / "jobs", {"long": PACED}, epochs=20, resources=resources)
    run = submit(tmp_path, runs, jobs, LONG, "--rerun")
    now = wait_until(run, lambda _: deep_in_training(run, "long-seed1") and run.checkpoint("long-seed1").exists())
    node = now.trials[0].node
    verb("kill-node", node)
    try:
        wait_until(run, all_ended)
    finally:
        verb("start-node", node)
    shard = read_shard(run.shard("long-seed1"))
    assert (shard.status, shard.attempts) == ("ok", 2)
    assert read_attempts(run, "long-seed1")[1].step > 0
    assert run.predictions("long-seed1").read_bytes() == undisturbed


@pytest.mark.ends
def test_a_python_that_cannot_start_says_so(tmp_path: Path, runs: Path):
    jobs = write_jobs(tmp_path / "jobs", {"small": TINY_JOBS["a_cnn"]}, resources=SMALL_JOB)
    profile = write_profile(tmp_path, more='python = "/nowhere/python"')
    run = submit(tmp_path, runs, jobs, FEW, profile=profile)
    now = wait_until(run, all_ended)
    assert now.trials[0].state == "failed"
    assert "its python could not start on n" in now.trials[0].reason


@pytest.mark.ends
def test_what_can_never_be_scheduled_is_refused_or_named(tmp_path: Path, runs: Path):
    before = queued()  # a job of the test before this may still be ending
    greedy = SMALL_JOB.replace("memory_gb=1.9", "memory_gb=64")
    jobs = write_jobs(tmp_path / "greedy", {"small": TINY_JOBS["a_cnn"]}, resources=greedy)
    done = lab2(*SUBMIT, "--profile", write_profile(tmp_path), "--jobs", jobs, "--runs", str(runs), check=2)
    assert "Slurm would refuse small" in done.stderr
    assert not runs.exists()  # a run that is refused is none
    wrong = write_profile(tmp_path, more="[sbatch]\nnicee = 1")
    done = lab2(*SUBMIT, "--profile", wrong, "--jobs", jobs, "--runs", str(runs), check=2)
    assert "unrecognized option '--nicee=1'" in done.stderr
    assert "Traceback" not in done.stderr
    assert queued() <= before
    jobs = write_jobs(tmp_path / "held", {"small": TINY_JOBS["a_cnn"]}, resources=SMALL_JOB)
    run = submit(tmp_path, runs, jobs, FEW, profile=write_profile(tmp_path, more="[sbatch]\nhold = true"))
    now = wait_until(run, all_ended)
    assert now.trials[0].state == "stuck"
    assert "JobHeldUser" in now.trials[0].reason
    assert collect(run, lambda *_: now.explain_missing()).rows[0].status == "missing"
    lab2("cancel", "--runs", str(runs))
    assert wait_until(run, all_ended).trials[0].state == "cancelled"


def test_the_shell_that_submitted_may_die_and_another_one_cancels_and_resumes(tmp_path: Path, runs: Path):
    jobs = write_jobs(tmp_path / "jobs", {"long": PACED}, epochs=400, resources=SMALL_JOB)
    words = ["bash", "-c", f"{submit_command(tmp_path, runs, jobs, LONG)} && kill -KILL $$"]
    shell = subprocess.Popen(words, start_new_session=True, stdout=subprocess.DEVNULL)
    assert shell.wait(timeout=PATIENCE_S) == -signal.SIGKILL
    run = open_run(runs, "latest")
    wait_until(run, lambda _: deep_in_training(run, "long-seed1", 0.2))
    assert "cancelled: long-seed1" in lab2("cancel", "--runs", str(runs)).stdout
    now = wait_until(run, all_ended)
    assert (now.trials[0].state, now.trials[0].reason) == ("cancelled", "cancelled with lab2 cancel")
    shorten(run)
    lab2("resume", "--runs", str(runs))
    wait_until(run, all_ended)
    assert collect(run).rows[0].status == "ok"


def test_a_controller_that_is_away_is_said_and_survived(tmp_path: Path, runs: Path, monkeypatch):
    jobs = write_jobs(tmp_path / "jobs", {"long": PACED}, epochs=20, resources=SMALL_JOB)
    run = submit(tmp_path, runs, jobs, LONG, "--rerun")
    wait_until(run, lambda _: deep_in_training(run, "long-seed1", 0.2))
    broken = tmp_path / "bin"
    broken.mkdir()
    (broken / "squeue").write_text("#!/bin/sh\necho 'squeue: error: Socket timed out' >&2; exit 1\n")
    (broken / "squeue").chmod(0o755)
    with monkeypatch.context() as away:
        away.setenv("PATH", f"{broken}:{os.environ['PATH']}")
        now = status(run, run.read_plan())
        assert now.trials[0].state == "running"
        assert "squeue does not answer (squeue: error: Socket timed out); this is what Slurm said 0 min" in now.caveat
        refused = lab2("resume", "--runs", str(runs), check=2)
        assert "resume when Slurm answers" in refused.stderr
    verb("stop-controller")
    try:
        now = status(run, run.read_plan())
        assert "squeue does not answer" in now.caveat
        assert now.trials[0].state in ("running", "ok")
        time.sleep(3)
    finally:
        verb("start-controller")
    now = wait_until(run, lambda now: all_ended(now) and not now.caveat)
    assert now.trials[0].state == "ok"


def test_submitting_from_inside_a_job_works(tmp_path: Path, runs: Path):
    jobs = write_jobs(tmp_path / "jobs", {"small": TINY_JOBS["a_cnn"]}, resources=SMALL_JOB)
    inner = submit_command(tmp_path, runs, jobs, FEW)
    log = tmp_path / "outer.log"
    slurm("sbatch", "--array=3", "--mem=1900M", f"--chdir={ROOT}", f"--output={log}", "--wrap", inner)
    until = time.monotonic() + PATIENCE_S
    while not (runs / "latest").exists() or not list((runs / "latest" / "submissions").iterdir()):
        assert time.monotonic() < until, log.read_text() if log.exists() else "the outer job has not started"
        time.sleep(0.5)
    run = open_run(runs, "latest")
    wait_until(run, all_ended)
    (row,) = collect(run).rows
    assert (row.status, "_" in (row.scheduler_job_id or "")) == ("ok", False), row.reason
