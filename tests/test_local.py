"""End to end: trials through submitit's local executor, to the table, whatever happens on the way."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from lab2.file_lock import held
from lab2.launch.local import run_locally
from lab2.launch.status import status
from lab2.results.collect import collect
from lab2.results.run_dir import RunDir, open_run
from lab2.results.shard import read_shard
from tests.conftest import PATIENCE_S, make_run, make_trial
from tests.paced import PACED

JOB = '''"""Tiny {name}?"""
from lab2.spec.architectures import AlexNetConfig, CNNConfig, FasterRCNNConfig, ImportedConfig, VGG16Config, ViTConfig
from lab2.spec.job import JobSpec, Resources, TrainConfig
RECIPE = TrainConfig(epochs={epochs}, batch_size=50)
JOB = JobSpec(name="{name}", model={model}, train=RECIPE, resources=Resources({resources}))
'''
TINY_JOBS = {
    "a_cnn": "CNNConfig(filters=(4, 8), hidden=16)",
    "b_vit": "ViTConfig(dim=8, depth=1)",
    "c_faster_rcnn": "FasterRCNNConfig(widths=(8, 8, 16), hidden=16, proposals=8, test_scenes=20)",
    "d_alexnet": 'AlexNetConfig(weights="random")',
    "e_vgg16": 'VGG16Config(weights="random")',
}
ALONE, SUBMIT = ("run-local", "--no-baselines"), ("submit", "--no-baselines")
FEW = ("data.train_images=150", "data.validation_images=50", "data.test_images=50")


def lab2(*words: str, check: int | None = 0, **more: Any) -> subprocess.CompletedProcess[str]:
    """The CLI as a user runs it."""
    done = subprocess.run(
        [sys.executable, "-m", "lab2.cli", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
        **more,
    )
    assert check is None or done.returncode == check, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def write_jobs(folder: Path, names: dict[str, str], *, epochs: float = 1, resources: str = "") -> str:
    folder.mkdir(exist_ok=True)
    for name, model in names.items():
        (folder / f"{name}.py").write_text(JOB.format(name=name, model=model, epochs=epochs, resources=resources))
    return f"{folder}/"


def settings(*more: str) -> list[str]:
    return [word for setting in (*FEW, *more) for word in ("--set", setting)]


def children(run: Path) -> list[int]:
    """Processes that still work for `run`."""
    found = subprocess.run(["pgrep", "-f", str(run)], capture_output=True, text=True, check=False).stdout
    return [int(pid) for pid in found.split()]


@pytest.mark.slow
def test_a_second_launcher_of_one_run_is_refused(tmp_path: Path):
    run = make_run(tmp_path, make_trial())
    with held(run.launcher):
        done = lab2("resume", run.path.name, "--runs", str(run.path.parent), check=2)
    assert "another lab2 is launching this run" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_trial_of_another_machine_or_container_is_not_killed_by_its_number(tmp_path: Path):
    trial = make_trial()
    run = make_run(tmp_path, trial)
    with held(run.lock(trial.name)):
        run.lock(trial.name).write_text(f"{os.getpid()} elsewhere pid:[1]\n")
        done = lab2("cancel", run.path.name, "--runs", str(run.path.parent), check=2)
    assert "runs elsewhere, or in a container" in done.stderr


def start(*words: str, runs: Path) -> subprocess.Popen[str]:
    """The CLI as from a terminal: what a script starts in the background is deaf to Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "lab2.cli", *words, "--runs", str(runs)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        signal.signal(signal.SIGINT, before)


def wait_for(claim, seconds: float = PATIENCE_S) -> None:
    until = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < until, "waited too long"
        time.sleep(0.05)


def started(runs: Path, trial: str) -> bool:
    return any(runs.glob(f"*/history/{trial}.jsonl"))


@pytest.mark.slow
def test_five_architectures_from_jobs_to_table(tmp_path: Path, runs: Path):
    jobs = write_jobs(tmp_path / "jobs", TINY_JOBS)
    done = lab2(*ALONE, "--jobs", jobs, "--runs", str(runs), *settings())
    run = open_run(runs, "latest")
    rows = list(csv.DictReader((run.report / "table.csv").open()))
    assert [row["job"] for row in rows] == list(TINY_JOBS)
    assert [row["status"] for row in rows] == ["ok"] * 5
    assert all(float(row["accuracy"]) <= 1 and int(float(row["parameters"])) > 0 for row in rows)
    assert float(rows[2]["map_50"]) >= 0
    for row in json.loads((run.report / "table.json").read_text()):
        assert row["weights"] == "random"
    assert "e_vgg16" in done.stdout
    assert "e_vgg16-seed1: ok" in done.stdout
    again = lab2("report", "--runs", str(runs))
    assert "a_cnn" in again.stdout
    assert "nothing to resume: 5 of 5" in lab2("resume", "--runs", str(runs)).stdout


@pytest.mark.slow
def test_one_failure_does_not_stop_the_others_and_resume_runs_only_that(tmp_path: Path, runs: Path):
    jobs = write_jobs(tmp_path / "jobs", {"a_bad": 'AlexNetConfig(weights="random")', "b_cnn": TINY_JOBS["a_cnn"]})
    (tmp_path / "jobs" / "a_bad.py").write_text(
        (tmp_path / "jobs" / "a_bad.py").read_text().replace("Resources()", "Resources(timeout_min=0.001)")
    )
    done = lab2(*ALONE, "--jobs", jobs, "--runs", str(runs), *settings(), check=1)
    run = open_run(runs, "latest")
    rows = collect(run).rows
    assert [row.status for row in rows] == ["timeout", "ok"]
    assert "a_bad: timeout: its time was up" in done.stdout
    good = run.shard("b_cnn-seed1").read_bytes()
    plan = run.plan.read_text()
    lab2("resume", "--runs", str(runs), check=1)
    assert run.shard("b_cnn-seed1").read_bytes() == good
    assert run.plan.read_text() == plan


@pytest.mark.slow
def test_cancel_stops_a_run_that_a_script_has_started_and_starts_nothing_that_waits(tmp_path: Path, runs: Path):
    jobs = write_jobs(tmp_path / "jobs", {"first": PACED, "second": PACED}, epochs=300)
    words = [sys.executable, "-m", "lab2.cli", *ALONE, "--jobs", jobs, *settings(), "--runs", str(runs)]
    ignored = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell does for what it starts in the background
    try:
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    finally:
        signal.signal(signal.SIGINT, ignored)
    wait_for(lambda: started(runs, "first-seed1"))
    assert "cancelled: first-seed1" in lab2("cancel", "--runs", str(runs)).stdout
    assert process.wait(timeout=PATIENCE_S) == 130
    run = open_run(runs, "latest")
    assert not children(run.path)
    assert [s.state for s in status(run, run.read_plan()).trials] == ["cancelled", "lost"]
    assert "nothing to cancel" in lab2("cancel", "--runs", str(runs)).stdout


@pytest.mark.slow
def test_ctrl_c_stops_everything_and_resume_completes_the_run(tmp_path: Path, runs: Path):
    jobs = write_jobs(tmp_path / "jobs", {"first": PACED, "second": PACED}, epochs=300)
    process = start(*ALONE, "--jobs", jobs, *settings(), runs=runs)
    wait_for(lambda: started(runs, "first-seed1"))
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert "lab2 resume" in errors
    assert "Traceback" not in errors
    run = open_run(runs, "latest")
    assert not children(run.path)
    assert [s.state for s in status(run, run.read_plan()).trials] == ["cancelled", "lost"]
    shorten(run)
    lab2("resume", "--runs", str(runs))
    assert [row.status for row in collect(run).rows] == ["ok", "ok"]


def shorten(run: RunDir) -> None:
    """Let the rest of a run take seconds: fewer epochs in its plan."""
    run.plan.write_text(run.plan.read_text().replace('"epochs": 300.0', '"epochs": 1.0'))


@pytest.mark.slow
def test_a_killed_trial_is_a_row_and_a_killed_launcher_costs_nothing(tmp_path: Path, runs: Path):
    jobs = write_jobs(tmp_path / "jobs", {"killed": PACED, "second": PACED}, epochs=60)
    process = start(*ALONE, "--jobs", jobs, *settings(), runs=runs)
    wait_for(lambda: started(runs, "killed-seed1"))
    run = open_run(runs, "latest")
    (worker,) = [pid for pid in children(run.path) if "core._submit" in command(pid)]
    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: run.shard("killed-seed1").exists())
    shard = read_shard(run.shard("killed-seed1"))
    assert shard.status == "failed"
    assert shard.reason.startswith("its process ended without a result; its log ends: ")
    wait_for(lambda: started(runs, "second-seed1"))
    process.kill()  # the launcher; its trial goes on
    process.wait()
    assert not run.shard("second-seed1").exists()
    wait_for(lambda: run.shard("second-seed1").exists())
    assert read_shard(run.shard("second-seed1")).status == "ok"
    wait_for(lambda: not children(run.path))


@pytest.mark.slow
def test_a_cap_holds_and_seeds_make_a_mean(tmp_path: Path, runs: Path):
    jobs = write_jobs(tmp_path / "jobs", {"a_cnn": TINY_JOBS["a_cnn"]})
    lab2(*ALONE, "--jobs", jobs, "--seeds", "3", "--parallel", "2", "--runs", str(runs), *settings())
    run = open_run(runs, "latest")
    rows = collect(run).rows
    assert [row.seed for row in rows] == [1, 2, 3]
    times = sorted((row.started_at, 1) for row in rows) + sorted((row.ended_at, -1) for row in rows)
    most = level = 0
    for _, change in sorted(times, key=lambda t: (t[0], t[1])):
        level += change
        most = max(most, level)
    assert most <= 2
    (row,) = json.loads((run.report / "table.json").read_text())
    assert (row["seeds"], row["interval"]) == (3, "t, over seeds and test images")


@pytest.mark.parametrize(("count", "parallel", "cores", "share"), [(2, 2, 6, "3"), (1, 2, 6, "6"), (3, 3, 2, "1")])
def test_trials_at_once_share_the_cores(tmp_path: Path, monkeypatch, count: int, parallel: int, cores: int, share: str):
    """What their processes are given, which are then ended."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    trials = [make_trial("cnn", seed=seed) for seed in range(count)]
    run = make_run(tmp_path, *trials)
    given: dict[int, str | None] = {}
    for _ in run_locally(run, run.read_plan(), trials, parallel=parallel, cores=cores, gpus=[]):
        for pid in children(run.path):
            if pid not in given and "core._submit" in command(pid):
                given[pid] = environment(pid).get("OMP_NUM_THREADS")
                os.kill(pid, signal.SIGKILL)
    assert [*given.values()] == [share] * count


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def environment(pid: int) -> dict[str, str]:
    """Empty for a process that has ended."""
    try:
        words = Path(f"/proc/{pid}/environ").read_text().split("\0")
    except OSError:
        return {}
    return {name: value for name, _, value in (word.partition("=") for word in words)}


@pytest.mark.slow
def test_train_runs_one_trial_in_the_foreground(tmp_path: Path, runs: Path):
    jobs = write_jobs(tmp_path / "jobs", {"a_cnn": TINY_JOBS["a_cnn"]})
    done = lab2("train", "a_cnn", "--jobs", jobs, "--runs", str(runs), *settings())
    assert "of the validation images" in done.stderr
    assert "a_cnn" in done.stdout


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="LOUD: only root can mount a small disk")
def test_a_full_disk_loses_nothing_and_resume_goes_on(tmp_path: Path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("LOUD: this machine does not mount")
    try:
        jobs = write_jobs(tmp_path / "jobs", {"a_cnn": TINY_JOBS["a_cnn"]})
        lab2(*ALONE, "--jobs", jobs, "--runs", str(disk), *settings())
        filler = disk / "filler"
        with filler.open("wb") as file, pytest.raises(OSError, match="No space"):
            while True:
                file.write(bytes(65536))
                file.flush()
        done = lab2(*ALONE, "--jobs", jobs, "--runs", str(disk), *settings(), check=2)
        assert "No space left on device" in done.stderr
        assert "Traceback" not in done.stderr
        filler.unlink()
        assert "a_cnn" in lab2("report", "--runs", str(disk)).stdout
    finally:
        subprocess.run(["umount", str(disk)], check=True)
