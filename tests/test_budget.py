"""A recipe's length fits the data or the budget: in images, in FLOPs, in time; and a training may end early."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from lab2.errors import ConfigError
from lab2.launch.planning import plan_trials
from lab2.measure.cost import Stopwatch
from lab2.pace import Pace
from lab2.report.caption import caption
from lab2.report.summary import summarise
from lab2.results.collect import collect
from lab2.results.journal import Journal, PacePoint, read_history, read_pace
from lab2.results.shard import write_shard
from lab2.spec.budget import Budget, parse_budget
from lab2.spec.job import DataConfig, JobSpec, NamedRecipe, TrainConfig
from lab2.spec.overrides import override
from lab2.spec.scaling import DataFacts, fitted
from lab2.train.stage import Stage, Step
from lab2.trial import run_trial
from tests.conftest import TINY, finished, make_run, make_trial
from tests.test_train import interrupt, make_stage


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("90s", Budget(amount=90, unit="seconds")),
        ("5m", Budget(amount=300, unit="seconds")),
        ("1.5h", Budget(amount=5400, unit="seconds")),
        ("20000-images", Budget(amount=20_000, unit="images")),
        ("3e15-FLOPs", Budget(amount=3e15, unit="flops")),
    ],
)
def test_a_budget_is_time_or_images_or_flops(text: str, budget: Budget):
    assert parse_budget(text) == budget


@pytest.mark.parametrize("text", ["", "5", "m", "-5m", "0s", "5 minutes", "1e400s", "nan-images", "20000 images"])
def test_a_budget_that_is_none_is_refused_where_it_is_written(text: str):
    with pytest.raises(ConfigError, match="budget '"):
        TrainConfig(budget=text)


class TestRule:
    """The numbers are worked out by hand from the rule in lab2/spec/scaling.py."""

    GENERAL = TrainConfig(images=240_000, batch_size=64, learning_rate=8e-3)

    def fit(self, recipe: TrainConfig, images: int, classes: int = 10, **more: Any) -> TrainConfig:
        pretrained = more.pop("pretrained", False)
        model = more.pop("model", TINY["cnn"])
        job = JobSpec(name="a", model=model, train=recipe)
        return fitted(job, DataFacts(images=images, classes=classes, pretrained=pretrained), **more).train

    def test_a_set_of_60000_is_seen_as_stated(self):
        assert self.fit(self.GENERAL, 60_000) == replace(self.GENERAL, images=None, epochs=4.0)

    def test_a_sixteenth_of_the_images_is_a_quarter_as_long_and_four_times_the_passes(self):
        found = self.fit(self.GENERAL, 3750)
        assert (found.epochs, found.batch_size, found.learning_rate) == (16.0, 64, 8e-3)

    def test_four_times_the_classes_are_twice_as_long_and_fewer_are_no_shorter(self):
        assert self.fit(self.GENERAL, 60_000, classes=40).epochs == 8.0
        assert self.fit(self.GENERAL, 60_000, classes=2).epochs == 4.0

    def test_what_has_learnt_already_learns_a_quarter_as_long_with_the_head_within_it(self):
        job = JobSpec(name="a", model=replace(TINY["alexnet"], head_epochs=2), train=self.GENERAL)
        found = fitted(job, DataFacts(images=3750, classes=10, pretrained=True))
        assert getattr(found.model, "head_epochs", None) == 0  # a fifth of 15,000 images is less than one pass
        assert found.train.epochs == 4.0

    @pytest.mark.parametrize(("optimizer", "rate"), [("adamw", 4e-3), ("muon", 4e-3), ("sgd", 2e-3)])
    def test_a_batch_is_no_more_than_a_32nd_and_takes_its_learning_rate_with_it(self, optimizer: Any, rate: float):
        found = self.fit(replace(self.GENERAL, optimizer=optimizer), 512)
        assert found.batch_size == 16
        assert found.learning_rate == pytest.approx(rate)

    def test_a_handful_of_images_is_one_batch(self):
        assert self.fit(self.GENERAL, 100).batch_size == 8
        assert self.fit(self.GENERAL, 5).batch_size == 5

    def test_a_recipe_in_epochs_stays_as_it_is(self):
        recipe = TrainConfig(epochs=0.85, batch_size=64)
        assert self.fit(recipe, 100) == recipe

    def test_a_budget_of_images_or_flops_is_the_length_whatever_the_recipe_says(self):
        for recipe in (self.GENERAL, TrainConfig(epochs=7, batch_size=64, learning_rate=8e-3)):
            found = self.fit(replace(recipe, budget="30000-images"), 60_000)
            assert (found.epochs, found.batch_size) == (0.5, 64)
            found = self.fit(replace(recipe, budget="3.6e9-flops"), 60_000, flops_per_image=1e4)
            assert found.epochs == 2.0  # 3.6e9 / (3 * 1e4) = 120,000 images

    def test_epochs_that_are_set_take_the_place_of_images(self):
        trial = replace(make_trial("cnn"), job=JobSpec(name="cnn", model=TINY["cnn"], train=self.GENERAL))
        (changed,) = override([trial], ["train.epochs=3"])
        assert (changed.job.train.images, changed.job.train.epochs) == (None, 3.0)


class TestRecipesByDataSet:
    JOB = JobSpec(
        name="a",
        model=TINY["cnn"],
        train=TrainConfig(images=100_000),
        recipes={"mnist": NamedRecipe(train=TrainConfig(epochs=0.85))},
    )

    def plan(self, dataset: str, *, smoke: bool = False) -> Any:
        (trial,) = plan_trials([self.JOB], [1], DataConfig(dataset=dataset), [], smoke=smoke)
        return trial

    def test_a_data_set_gets_the_recipe_that_was_made_for_it_and_all_others_the_general_one(self):
        assert self.plan("mnist").job.train == TrainConfig(epochs=0.85)
        assert self.plan("fashion-mnist").job.train == TrainConfig(images=100_000)
        assert self.plan("fashion-mnist", smoke=True).job.train == TrainConfig(epochs=1.0)

    def test_a_trial_is_the_one_that_a_job_with_that_recipe_alone_would_be(self):
        alone = JobSpec(name="a", model=TINY["cnn"], train=TrainConfig(epochs=0.85))
        (trial,) = plan_trials([alone], [1], DataConfig(), [], smoke=False)
        assert trial.digest == self.plan("mnist").digest

    def test_each_recipe_of_a_detector_is_checked(self):
        with pytest.raises(ConfigError, match=r"train\.shift would do nothing to a detector"):
            JobSpec(name="a", model=TINY["faster_rcnn"], recipes={"mnist": NamedRecipe(train=TrainConfig(shift=1))})


class Clock(Stopwatch):
    """A stopwatch that a test moves on."""

    def __init__(self) -> None:
        super().__init__(torch.device("cpu"))

    def await_device(self) -> None:
        """There is none."""


def paced(
    pace: Pace, stage: Stage, rate: Any, stop_at: int | None = None, begun: float = 0.0
) -> tuple[float, list[float], int]:
    """Walk `stage` with steps of `rate(number)` seconds: the time, the learning rates, the steps."""
    watch, rates = Clock(), []
    watch.seconds = begun
    (weight,) = stage.optimizer.parameters
    trainer: Any = SimpleNamespace(stage_name="all", end_in=stage.end_in, steps_left=1, earlier_steps=0)
    for _ in stage:
        rates.append(stage.optimizer.optimizers[0].param_groups[0]["lr"])
        watch.seconds += rate(stage.number + 1)
        step: Step = stage.step(weight * 0)
        pace.ends(step, watch, trainer)
        if stage.number == stop_at:
            break
    return watch.seconds, rates, stage.number


class TestPace:
    def pace(self, folder: Path, seconds: float, known: list[PacePoint] | None = None) -> Pace:
        trial = make_trial("cnn")
        return Pace(seconds, known or [], Journal(make_run(folder, trial), trial.name))

    @pytest.mark.parametrize(
        "rate",
        [
            lambda _: 0.05,
            lambda number: 5.0 if number == 1 else 0.05,  # the first step takes memory
            lambda number: 0.05 if number < 500 else 0.15,  # a neighbour comes
            lambda number: 0.15 if number < 300 else 0.05,  # and goes
            lambda _: 0.9,
        ],
    )
    def test_it_ends_with_the_time_and_the_learning_rate_with_it(self, rate: Any, tmp_path: Path):
        stage = make_stage(images=1000, batch_size=10, epochs=100)
        seconds, rates, steps = paced(self.pace(tmp_path, 60), stage, rate)
        assert seconds == pytest.approx(60, rel=0.02)
        assert max(rates) == pytest.approx(0.1, rel=0.02)
        assert rates[-1] < 0.1 / 50
        assert stage.total == steps

    def test_an_attempt_that_begins_anew_takes_the_steps_that_were_counted(self, tmp_path: Path):
        first = self.pace(tmp_path, 60)
        whole = paced(first, make_stage(images=1000, batch_size=10, epochs=100), lambda _: 0.05)
        known = [PacePoint(step=step, left=left) for step, left in _written(first)]
        again = self.pace(tmp_path / "again", 60, known)
        _, rates, steps = paced(again, make_stage(images=1000, batch_size=10, epochs=100), lambda _: 0.2)
        assert (rates, steps) == (whole[1], whole[2])

    def test_one_that_was_cut_short_goes_on_as_counted_then_counts_for_itself(self, tmp_path: Path):
        first = self.pace(tmp_path, 60)
        paced(first, make_stage(images=1000, batch_size=10, epochs=100), lambda _: 0.05, stop_at=500)
        known = [PacePoint(step=step, left=left) for step, left in _written(first)]
        again = self.pace(tmp_path / "again", 60, known)
        seconds, _, _ = paced(again, make_stage(images=1000, batch_size=10, epochs=100), lambda _: 0.06)
        assert seconds == pytest.approx(60, rel=0.02)

    def test_one_that_goes_on_from_a_checkpoint_counts_nothing_by_its_first_two_steps(self, tmp_path: Path):
        """They say little of the rate, and the stage was counted before."""
        first = self.pace(tmp_path, 60)
        stage = make_stage(images=1000, batch_size=10, epochs=100)
        seconds, _, _ = paced(first, stage, lambda _: 0.05, stop_at=500)
        known = [PacePoint(step=step, left=left) for step, left in _written(first)]
        again = self.pace(tmp_path / "again", 60, known)
        paced(again, stage, lambda number: 5.0 if number < 503 else 0.05, begun=seconds, stop_at=504)
        assert all(step > 504 for step, _ in _written(again))

    def test_a_head_takes_no_more_than_its_share_and_no_more_than_its_steps(self, tmp_path: Path):
        for steps, wanted in ((10_000, 240), (100, 100)):
            stage = make_stage(images=1000, batch_size=10, epochs=steps / 100)
            pace, watch = self.pace(tmp_path / str(steps), 60), Clock()
            (weight,) = stage.optimizer.parameters
            for _ in stage:
                watch.seconds += 0.05
                step = stage.step(weight * 0)
                left = stage.total - stage.number
                pace.ends(
                    step,
                    watch,
                    SimpleNamespace(stage_name="head", end_in=stage.end_in, steps_left=left, earlier_steps=0),
                )
            assert stage.number == pytest.approx(wanted, abs=2)


def _written(pace: Pace) -> list[tuple[int, int]]:
    return [(point.step, point.left) for point in read_pace(pace.journal.run, pace.journal.trial)]


class TestTrial:
    def test_a_budget_of_images_is_what_it_sees(self, tmp_path: Path):
        trial = make_trial("cnn", budget="450-images")
        shard = run_trial(trial, make_run(tmp_path, trial), device="cpu")
        assert (shard.status, shard.images_seen, shard.budget) == ("ok", 450, "450-images")

    def test_a_budget_of_flops_is_three_forward_passes_an_image(self, tmp_path: Path):
        plain = make_trial("cnn")
        flops = run_trial(plain, make_run(tmp_path / "a", plain), device="cpu").flops_per_image
        trial = make_trial("cnn", budget=f"{3 * flops * 500}-flops")
        shard = run_trial(trial, make_run(tmp_path / "b", trial), device="cpu")
        assert shard.images_seen == pytest.approx(500, abs=50)  # in whole batches

    def test_a_recipe_for_any_data_says_what_it_became(self, tmp_path: Path):
        trial = make_trial("cnn", epochs=1, images=6000, batch_size=256, learning_rate=1e-3)
        shard = run_trial(trial, make_run(tmp_path, trial), device="cpu")
        seen = 6000 * math.sqrt(300 / 60_000)
        assert (shard.batch_size, shard.images_seen) == (9, int(seen / 9) * 9)
        assert shard.learning_rate == pytest.approx(1e-3 * math.sqrt(9 / 256))

    def test_time_ends_it(self, tmp_path: Path):
        trial = make_trial("cnn", budget="0.5s")
        run = make_run(tmp_path, trial)
        shard = run_trial(trial, run, device="cpu")
        assert (shard.status, shard.budget) == ("ok", "0.5s")
        assert read_pace(run, trial.name)

    def test_what_was_counted_is_kept_and_an_interrupted_one_ends_with_the_same_bits(self, tmp_path: Path):
        trial = make_trial("cnn", budget="1h")  # far away: only what was counted before ends it, after step 3 + 20 + 9
        whole, parts = make_run(tmp_path / "whole", trial), make_run(tmp_path / "parts", trial)
        for run in (whole, parts):
            journal = Journal(run, trial.name)
            for step, left in ((3, 30), (23, 9)):
                journal.add_pace(PacePoint(step=step, left=left))
        shard = run_trial(trial, whole, device="cpu")
        for _ in range(3):  # in steps 3, 6 and 9
            interrupt(parts, trial)
        again = run_trial(trial, parts, device="cpu")
        assert (again.attempts, again.images_seen, shard.images_seen) == (4, 32 * 50, 32 * 50)
        assert parts.predictions(trial.name).read_bytes() == whole.predictions(trial.name).read_bytes()

    def test_it_ends_early_where_validation_gets_no_better_and_says_so(self, tmp_path: Path):
        trial = make_trial("cnn", epochs=40, learning_rate=1e-12, patience=2)  # it learns nothing
        run = make_run(tmp_path, trial)
        shard = run_trial(trial, run, device="cpu")
        assert shard.ended_early is True
        assert len(read_history(run, trial.name)) == 3
        assert shard.images_seen == 600

    def test_the_table_says_what_each_made_of_it_and_which_ended_early(self, tmp_path: Path):
        trials = [make_trial("cnn", seed=1, budget="60s"), make_trial("cnn", seed=2, budget="60s")]
        run = make_run(tmp_path, *trials)
        for trial, seen in zip(trials, (1000, 3000), strict=True):
            more = {"budget": "60s", "images_seen": seen, "train_seconds": 59.5, "ended_early": seen == 1000}
            write_shard(run.shard(trial.name), finished(trial, **more))
        comparison = collect(run)
        assert "budget 60s of training for each: cnn saw 2,000 images in 59.5 s" in caption(comparison)
        assert "1 of 2 trainings ended early" in summarise(comparison)["notes"].iloc[0]

    def test_without_patience_it_never_does(self, tmp_path: Path):
        trial = make_trial("cnn", epochs=2, learning_rate=1e-12)
        shard = run_trial(trial, make_run(tmp_path, trial), device="cpu")
        assert (shard.ended_early, shard.images_seen) == (False, 600)
