"""`lab2 tune` from end to end: the search, the choice, the test; killed at several points, the same table."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from benchmarks.killed import found
from lab2.cli.reporting import report_of
from lab2.cli.searching import plan_study
from lab2.errors import ConfigError
from lab2.launch.planning import with_side
from lab2.report.page.page import index_html
from lab2.results.collect import collect
from lab2.results.run_dir import RunDir, open_run
from lab2.spec.job import JobSpec, TrainConfig
from lab2.tune.stages import stages
from lab2.tune.study import Validation, read_study
from tests.conftest import PATIENCE_S, TINY
from tests.test_local import TINY_JOBS, children, command, lab2, settings, start, wait_for, write_jobs

AT_32 = TrainConfig(image_side=32)
SHORT = ("--budget", "100-images", "--folds", "1", *settings())


def tune(folder: Path, *more: str, jobs: tuple[str, ...] = ("a_cnn", "b_vit")) -> list[str]:
    where = write_jobs(folder / "jobs", {name: TINY_JOBS[name] for name in jobs}, resources="timeout_min=10")
    return ["tune", "--jobs", where, *SHORT, *more]


def end_all(run: RunDir, process: subprocess.Popen[str]) -> None:
    """As when the machine stops: the launcher and its trials, at once."""
    for pid in (process.pid, *(pid for pid in children(run.path) if "core._submit" in command(pid))):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.communicate()
    wait_for(lambda: not children(run.path))


class TestRefused:
    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["--trials", "1"], "trials=1; the first is the job's own recipe"),
            (["--budget", "soon"], "budget 'soon': wanted time"),
            (["--mode", "grid"], "mode='grid', wanted random, halving"),
            (["--study-seed", "2"], "none of them 2"),
            (["--set", "cnn:data.train_images=500"], "all jobs of a study see the same data"),
            (["--jobs", "jobs/baselines"], "has no recipe to search"),
            (["--set", "train.batch_size=100000", "--folds", "1"], "is larger than the 55000 training"),
            (["--folds", "5", "--set", "data.train_images=3"], "train_images=3"),
        ],
    )
    def test_before_anything_starts(self, words, message, runs, run_cli):
        more = [] if "--jobs" in words else ["--jobs", "cnn"]
        code, _, said = run_cli("tune", *more, *words, "--runs", str(runs))
        assert (code, message in said) == (2, True), said
        assert len(said.strip().splitlines()) == 1
        assert not runs.exists() or not any(runs.iterdir())


class TestPlanned:
    def test_few_pictures_are_folded_and_each_job_sees_them_at_its_side(self, image_folder):
        jobs = [JobSpec(name="cnn", model=TINY["cnn"]), JobSpec(name="big", model=TINY["cnn"], train=AT_32)]
        more = {"trials": 2, "seed": 0, "mode": "random", "budget": "", "final_seeds": (1,)}
        study = plan_study(jobs, str(image_folder), ["data.test_images=10"], None, folds=None, **more)
        assert study.validation == Validation(folds=5)
        assert (study.data.image_side, study.data.test_images) == (None, 10)
        (first,) = stages(study, {})
        assert {(t.search, with_side(t).data.image_side) for t in first} == {("cnn", None), ("big", 32)}
        with pytest.raises(ConfigError, match="all jobs of a study see the same data"):
            plan_study(jobs[:1], str(image_folder), ["cnn:data.image_side=32"], None, folds=None, **more)
        other = plan_study(jobs[:1], str(image_folder), ["train.epochs=9"], None, folds=2, **more)
        assert [t.data.fold for t in other.search_trials("cnn", 1)] == [0, 1]
        assert {t.job.train.epochs for t in other.search_trials("cnn", 1)} == {9.0}


@pytest.mark.slow
def test_a_study_that_is_killed_again_and_again_gives_the_same_table(tmp_path: Path, runs: Path):
    words = tune(tmp_path, "--trials", "2", "--seeds", "1")
    process = start(*words, runs=runs)
    wait_for(lambda: any(runs.glob("*/history/a_cnn_t0-seed0.jsonl")))
    run = open_run(runs, "latest")
    study = run.study.read_bytes()
    end_all(run, process)  # in its first training
    process = start("resume", runs=runs)
    wait_for(run.shard("a_cnn_t0-seed0").exists)
    end_all(run, process)  # between two trainings, about
    process = start("resume", runs=runs)
    wait_for(run.history("a_cnn_t1-seed0").exists)
    (worker,) = [pid for pid in children(run.path) if "core._submit" in command(pid)]
    os.kill(worker, signal.SIGKILL)  # a training alone: the others go on, and nothing is chosen
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, "not finished: a_cnn_t1-seed0; lab2 resume" in errors) == (1, True), errors
    assert all(trial.search for trial in run.read_plan().trials)
    process = start("resume", runs=runs)
    wait_for(run.history("a_cnn-seed1").exists)
    end_all(run, process)  # in a training of a chosen recipe
    process = start("resume", runs=runs)
    wait_for(run.history("b_vit-seed1").exists)
    process.kill()  # the launcher alone; its trial goes on
    process.communicate()
    lab2("resume", "--runs", str(runs))
    assert run.study.read_bytes() == study
    lab2(*words, "--runs", str(tmp_path / "whole"))
    whole = open_run(tmp_path / "whole", "latest")
    assert found(run) == found(whole)
    assert read_study(run.study).sha256 == read_study(whole.study).sha256
    before = run.plan.read_bytes()
    lab2("resume", "--runs", str(runs))
    assert run.plan.read_bytes() == before


@pytest.mark.slow
def test_what_comes_out(tmp_path: Path, runs: Path):
    said = lab2(*tune(tmp_path, "--trials", "3", "--seeds", "2", jobs=("a_cnn",)), "--runs", str(runs)).stdout
    run = open_run(runs, "latest")
    assert max(map(len, said[said.index("The search, judged") :].split("in /")[0].splitlines())) <= 80
    assert '<section id="tuning"' in (run.report / "index.html").read_text()
    told = json.loads((run.report / "tuning.json").read_text())
    assert told["study"] == read_study(run.study).sha256
    (one,) = told["jobs"]
    rows = {row.trial: row for row in collect(run).rows}
    scores = [rows[f"a_cnn_t{i}-seed0"].validation_accuracy for i in range(3)]
    assert [it["validation_accuracy"] for it in one["settings"]] == scores
    assert (one["validation_accuracy"], one["own_validation_accuracy"]) == (max(scores), scores[0])
    assert one["chosen"] == scores.index(max(scores))
    assert one["seconds"] == pytest.approx(sum(rows[f"a_cnn_t{i}-seed0"].wall_seconds for i in range(3)))
    assert [point["settings"] for point in one["tuning_curve"]] == [1, 2]
    assert [it["setting"] for it in one["settings"]] == [0, 1, 2]
    assert all(rows[f"a_cnn_t{i}-seed0"].accuracy is None for i in range(3))
    (row,) = csv.DictReader((run.report / "table.csv").open())
    assert (row["job"], row["seeds"], row["effort"]) == ("a_cnn", "2", "3 settings")
    assert (
        "cannot be told from noise" in (run.report / "tuning.md").read_text()
        or "not computed" in (run.report / "tuning.md").read_text()
    )
    # Its job file trains what the study trained.
    lab2("run-local", "--no-baselines", "--jobs", f"{run.tuned}/", *settings(), "--runs", str(tmp_path / "again"))
    (again,) = collect(open_run(tmp_path / "again", "latest")).rows
    assert (again.digest, again.accuracy) == (rows["a_cnn-seed1"].digest, rows["a_cnn-seed1"].accuracy)
    # `lab2 report` shows it anew.
    (run.report / "tuning.md").unlink()
    assert "The search, judged by validation images" in lab2("report", "--runs", str(runs)).stdout
    assert (run.report / "tuning.md").exists()
    # An altered study chooses nothing, but its trials are what they were.
    run.study.write_text(run.study.read_text().replace('"trials": 3', '"trials": 4'))
    (run.report / "table.csv").unlink()
    assert "it was altered" in lab2("report", "--runs", str(runs), check=2).stderr
    assert len(list(csv.DictReader((run.report / "table.csv").open()))) == 4
    page = index_html(report_of(run, collect(run))).decode()
    assert "Not judged: " in page


@pytest.mark.slow
def test_halving_and_ctrl_c(tmp_path: Path, runs: Path):
    words = tune(tmp_path, "--trials", "3", "--seeds", "1", "--mode", "halving", jobs=("a_cnn",))
    process = start(*words, runs=runs)
    wait_for(lambda: any(runs.glob("*/history/a_cnn_t1-seed0.jsonl")))
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert "Go on with: lab2 resume" in errors
    lab2("resume", "--runs", str(runs))
    run = open_run(runs, "latest")
    plan = run.read_plan()
    rungs = [trial for trial in plan.trials if trial.search]
    assert [t.job.train.budget for t in rungs] == ["33-images"] * 3 + ["100-images"]
    assert [row.status for row in collect(run).rows] == ["ok"] * 5
    scores = [row.validation_accuracy for row in collect(run).rows[:3]]
    assert rungs[3].name == f"a_cnn_t{scores.index(max(scores))}_r1-seed0"
    assert plan.trials[4].name == "a_cnn-seed1"
    assert "have no meaning here" in (run.report / "tuning.md").read_text()
    (one,) = json.loads((run.report / "tuning.json").read_text())["jobs"]
    assert sorted(it["state"] for it in one["settings"]) == ["ok", "stopped", "stopped"]
