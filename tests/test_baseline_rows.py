"""Every run has the baselines as rows, without being asked; settings of recipes pass them by."""

from __future__ import annotations

import csv
import io
import os
import shutil
from dataclasses import fields
from pathlib import Path

import pytest
from rich.console import Console

from lab2.errors import ConfigError
from lab2.launch.planning import plan_trials
from lab2.launch.status import TrialStatus
from lab2.models.commonest_class import CommonestClassConfig
from lab2.models.logistic_regression import LogisticRegressionConfig
from lab2.models.network import NetworkConfig
from lab2.report.caption import caption
from lab2.report.live import live_table
from lab2.results.collect import collect
from lab2.results.journal import Progress
from lab2.results.run_dir import open_run
from lab2.results.shard import write_shard
from lab2.spec.catalogue import baselines, default_folder
from lab2.spec.job import DataConfig, JobSpec, TrainConfig
from lab2.spec.plan import Plan, dump_plan, load_plan
from lab2.trace import trace_trial
from tests.conftest import TINY, finished, make_run
from tests.test_local import TINY_JOBS, lab2, settings, write_jobs
from tests.test_take_over import TOOLS

NAMES = ["commonest_class", "logistic_regression", "nearest_neighbour"]
CNN = JobSpec(name="cnn", model=TINY["cnn"], train=TrainConfig(epochs=1, batch_size=16))


def plan(*settings: str, jobs: tuple[JobSpec, ...] = (CNN,), seeds: tuple[int, ...] = (1,), data: str = "mnist"):
    return plan_trials([*jobs, *baselines()], seeds, DataConfig(dataset=data), settings, smoke=False)


class TestWhichRows:
    @pytest.fixture
    def submitted(self, tmp_path: Path, runs: Path, run_cli, monkeypatch: pytest.MonkeyPatch):
        (tmp_path / "nodes.toml").write_text('partition = "cpu"\n')
        (tmp_path / "scontrol").write_text(f"#!/bin/sh\n{TOOLS['scontrol']}\n")
        (tmp_path / "scontrol").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

        def ask(*words: str) -> list[str]:
            """The trials that a submission would have."""
            command = ("submit", "--profile", f"{tmp_path}/nodes.toml", "--runs", str(runs), "--dry-run")
            code, said, errors = run_cli(*command, *words)
            assert code == 0, errors
            names: list[str] = said.strip().splitlines()[-1].partition("trials: ")[2].split(", ")
            return names

        return ask

    def test_the_default_jobs_then_the_baselines(self, submitted):
        five = [f"{name}-seed1" for name in ("alexnet", "cnn", "faster_rcnn", "vgg16", "vit")]
        assert submitted() == [*five, *(f"{name}-seed1" for name in NAMES)]
        assert submitted("--no-baselines") == five

    def test_also_beside_jobs_that_are_named(self, submitted, tmp_path: Path):
        assert submitted("--jobs", "cnn") == ["cnn-seed1", *(f"{name}-seed1" for name in NAMES)]
        jobs = write_jobs(tmp_path / "mine", {"mine": TINY_JOBS["a_cnn"]})
        assert submitted("--jobs", jobs) == ["mine-seed1", *(f"{name}-seed1" for name in NAMES)]

    def test_once_where_they_are_asked_for(self, submitted):
        assert submitted("--jobs", "jobs/baselines/,nearest_neighbour") == [
            *("nearest_neighbour-seed1", "commonest_class-seed1", "logistic_regression-seed1")
        ]
        assert submitted("--no-baselines", "--jobs", "jobs/baselines") == [f"{name}-seed1" for name in NAMES]

    def test_with_one_seed_for_they_draw_nothing(self, submitted):
        named = ["cnn-seed7", "cnn-seed8", "cnn-seed9", *(f"{name}-seed7" for name in NAMES)]
        assert submitted("--jobs", "cnn", "--seeds", "7,8,9") == named

    def test_a_recipe_for_all_is_for_those_that_have_one(self, submitted):
        assert (
            len(submitted("--set", "train.epochs=2", "--set", "resources.cpus=1", "--set", "data.test_images=9")) == 8
        )

    def test_a_users_own_copies_are_used_where_they_stand_beside_the_jobs(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        mine = tmp_path / "jobs"
        shutil.copytree(default_folder(), mine, ignore=shutil.ignore_patterns("__pycache__"))
        monkeypatch.setenv("LAB2_JOBS", str(mine))
        (mine / "baselines" / "nearest_neighbour.py").unlink()
        assert [job.name for job in baselines()] == NAMES[:2]
        shutil.rmtree(mine / "baselines")
        assert [job.name for job in baselines()] == NAMES


class TestSettings:
    def test_of_a_recipe_leave_them_as_they_are(self):
        changed = {trial.job.name: trial.job.train for trial in plan("train.epochs=2", "train.image_side=None")}
        assert changed == {"cnn": TrainConfig(epochs=2, batch_size=16), **dict.fromkeys(NAMES, TrainConfig())}

    def test_of_the_data_and_of_resources_reach_them(self):
        for trial in plan("data.train_images=77", "resources.cpus=3"):
            assert (trial.data.train_images, trial.job.resources.cpus) == (77, 3)

    def test_their_own_fields_are_set_by_name(self):
        *_, neighbour = plan("nearest_neighbour:model.averaged_side=8")
        assert neighbour.job.model.averaged_side == 8

    def test_no_field_of_theirs_is_called_as_one_of_the_networks_that_all_are_set_by(self):
        """`--set model.image_side=96` is for networks."""
        own = {f.name for f in fields(LogisticRegressionConfig)} - {"architecture"}
        assert own == {"averaged_side", "most_images", "penalty", "most_iterations"}

    @pytest.mark.parametrize(
        ("setting", "which"),
        [("nearest_neighbour:train.epochs=2", "nearest_neighbour"), ("train.epochs=2", ", ".join(NAMES))],
    )
    def test_a_recipe_for_them_alone_is_refused(self, setting: str, which: str):
        with pytest.raises(ConfigError, match=f"--set {setting}: {which}: fitted in one step, without a recipe"):
            plan(setting, jobs=())

    def test_a_job_file_with_a_recipe_for_one_is_refused(self):
        with pytest.raises(ConfigError, match=r"one: train\.epochs, train\.flip would do nothing: commonest_class is"):
            JobSpec(name="one", model=CommonestClassConfig(), train=TrainConfig(epochs=2, flip=0.5))


class TestSides:
    """Pictures are not decoded once more for baselines alone."""

    NET = NetworkConfig(name="torchvision:resnet18", weights="random")

    def sides(self, folder: Path, *models: NetworkConfig, settings: tuple[str, ...] = ()) -> list[int | None]:
        jobs = tuple(JobSpec(name=f"net{number}", model=model) for number, model in enumerate(models))
        return [trial.data.image_side for trial in plan(*settings, jobs=jobs, data=str(folder))]

    def test_they_take_the_least_of_the_others(self, image_folder: Path):
        nets = NetworkConfig(name=self.NET.name, image_side=96, weights="random"), self.NET
        assert self.sides(image_folder, *nets) == [96, 224, 96, 96, 96]

    def test_they_take_the_usual_one_where_another_does_or_nobody_else_is_there(self, image_folder: Path):
        trials = plan(jobs=(CNN, JobSpec(name="net", model=self.NET)), data=str(image_folder))
        assert [trial.data.image_side for trial in trials] == [None, 224, None, None, None]
        assert self.sides(image_folder) == [None] * 3

    def test_what_is_said_counts(self, image_folder: Path):
        sides = self.sides(image_folder, self.NET, settings=("nearest_neighbour:data.image_side=9",))
        assert sides == [224, 224, 224, 9]


class TestShown:
    def test_a_plan_comes_back_as_it_was(self):
        first = Plan(run_id="run", created_at="2026-01-01T00:00:00", smoke=False, trials=tuple(plan()))
        assert load_plan(dump_plan(first)) == first

    def test_beside_three_seeds_the_table_says_that_no_seed_changes_them(self, tmp_path: Path):
        trials = plan(seeds=(1, 2, 3))
        run = make_run(tmp_path, *trials)
        for trial in trials:
            weights = "" if trial.job.model.fitted else "random"
            shard = finished(trial, device_name="Xeon", device="cpu", threads=2, weights=weights, memory_of="process")
            write_shard(run.shard(trial.name), shard)
        text = caption(collect(run))
        assert (
            f"{', '.join(NAMES)} are fitted once, because no seed changes them; their interval is over test images"
            in text
        )
        assert "weights: random;" in text

    def test_their_names_fit_the_live_view_of_a_narrow_terminal(self):
        names = [f"{name}-seed1" for name in NAMES]
        now = Progress(state="training", epoch=0.5, epochs=3, loss=0.345, validation_accuracy=0.99, seconds_left=59)
        lines = [TrialStatus(name, "running", progress=now) for name in names]
        console = Console(width=80, file=io.StringIO())
        console.print(live_table(lines))
        assert isinstance(console.file, io.StringIO)
        shown = [line.split() for line in console.file.getvalue().strip().splitlines()[1:]]
        assert [[line[0], *line[-4:]] for line in shown] == [
            [name, "0.5/3", "0.345", "99.00%", "0:59"] for name in names
        ]

    def test_its_card_has_no_recipe(self, run_cli):
        code, said, _ = run_cli("jobs", "nearest_neighbour", "--jobs", "jobs/baselines")
        assert (code, "train.epochs" in said) == (0, False)
        assert "model.most_images" in said
        assert "--set nearest_neighbour:data.train_images=1000" in said

    def test_there_is_nothing_to_trace(self, tmp_path: Path):
        (trial,) = plan_trials(baselines()[:1], [1], DataConfig(), [], smoke=False)
        with pytest.raises(
            ConfigError, match="commonest_class: fitted in one step, of which there is nothing to trace"
        ):
            trace_trial(trial, tmp_path / "t.json")


@pytest.mark.slow
def test_a_run_from_jobs_to_table(tmp_path: Path, runs: Path):
    jobs = write_jobs(tmp_path / "jobs", {"a_cnn": TINY_JOBS["a_cnn"]})
    done = lab2("run-local", "--jobs", jobs, "--seeds", "2", "--runs", str(runs), *settings("train.batch_size=25"))
    rows = list(csv.DictReader((open_run(runs, "latest").report / "table.csv").open()))
    assert [row["job"] for row in rows] == ["a_cnn", *NAMES]
    assert [row["status"] for row in rows] == ["ok"] * 4, done.stdout
    assert [row["seeds"] for row in rows] == ["2", "1", "1", "1"]
    assert [row["interval"] for row in rows] == ["t, over seeds and test images", *["Wilson, over test images"] * 3]
    assert [row["weights"] for row in rows] == ["random", "", "", ""]
    assert float(rows[1]["accuracy"]) <= float(rows[1]["majority_accuracy"]) < float(rows[3]["accuracy"])
