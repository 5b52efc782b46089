"""A recipe becomes one for the data, or for the budget, by a written rule; each data set may have one of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab2.errors import ConfigError
from lab2.launch.planning import SMOKE_LENGTH, plan_trials
from lab2.models.commonest_class import CommonestClassConfig
from lab2.spec.architectures import ImportedConfig
from lab2.spec.job import DataConfig, JobSpec, NamedRecipe, TrainConfig
from lab2.spec.overrides import override, override_data
from lab2.spec.scaling import DataFacts, fitted, images_to_see
from lab2.train.stage import count_steps
from lab2.trial import run_trial
from tests.conftest import TINY, make_run, make_trial


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

    @pytest.mark.parametrize("setting", ["train.epochs=3", "train.images=5000"])
    def test_a_length_that_is_set_takes_the_place_of_a_budget(self, setting: str):
        (changed,) = override([make_trial("cnn", budget="5m")], [setting])
        assert changed.job.train.budget is None

    def test_epochs_that_are_set_take_the_place_of_images(self):
        trial = replace(make_trial("cnn"), job=JobSpec(name="cnn", model=TINY["cnn"], train=self.GENERAL))
        (changed,) = override([trial], ["train.epochs=3"])
        assert (changed.job.train.images, changed.job.train.epochs) == (None, 3.0)

    def test_the_data_set_is_no_setting(self):
        with pytest.raises(ConfigError, match="recipes go by the data set; give it as --dataset"):
            override([make_trial("cnn")], ["data.dataset=fashion-mnist"])
        with pytest.raises(ConfigError, match="recipes go by the data set; give it as --dataset"):
            override_data(DataConfig(), ["data.dataset=fashion-mnist"])

    @pytest.mark.parametrize("steps", [31, 730, 2148])
    def test_a_budget_in_images_is_so_many_whole_batches(self, steps: int):
        recipe = TrainConfig(budget=f"{64 * steps}-images", batch_size=64)
        facts = DataFacts(images=55_000, classes=10, pretrained=False)
        found = fitted(JobSpec(name="a", model=TINY["cnn"], train=recipe), facts).train
        assert count_steps(55_000, 64, found.epochs) == steps


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

    def test_in_a_smoke_run_a_general_one_is_short_and_a_budget_of_the_job_file_is_none(self):
        assert self.plan("fashion-mnist", smoke=True).job.train == TrainConfig(images=SMOKE_LENGTH)
        hour = replace(self.JOB, train=TrainConfig(budget="1h"))
        (trial,) = plan_trials([hour], [1], DataConfig(dataset="digits"), [], smoke=True)
        assert trial.job.train == TrainConfig(images=SMOKE_LENGTH)
        (trial,) = plan_trials([hour], [1], DataConfig(dataset="digits"), ["train.budget=9s"], smoke=True)
        assert trial.job.train.budget == "9s"
        facts = DataFacts(images=2000, classes=10, pretrained=False)
        assert images_to_see(TrainConfig(images=SMOKE_LENGTH), facts) == pytest.approx(2000, rel=0.01)

    def test_a_trial_is_the_one_that_a_job_with_that_recipe_alone_would_be(self):
        alone = JobSpec(name="a", model=TINY["cnn"], train=TrainConfig(epochs=0.85))
        (trial,) = plan_trials([alone], [1], DataConfig(), [], smoke=False)
        assert trial.digest == self.plan("mnist").digest

    def test_a_part_of_that_data_set_gets_the_general_one_but_not_in_a_smoke_run(self):
        other = replace(self.JOB, name="b")
        few = ["a:data.train_images=1000", "train.label_smoothing=0.2"]
        first, second = plan_trials([self.JOB, other], [1], DataConfig(), few, smoke=False)
        assert first.job.train == replace(self.JOB.train, label_smoothing=0.2)
        assert second.job.train == replace(self.JOB.recipes["mnist"].train, label_smoothing=0.2)
        (smoke,) = plan_trials([self.JOB], [1], DataConfig(), [], smoke=True)
        assert smoke.job.train == self.JOB.recipes["mnist"].train

    def test_each_recipe_of_a_detector_is_checked(self):
        with pytest.raises(ConfigError, match=r"train\.shift would do nothing to a detector"):
            JobSpec(name="a", model=TINY["faster_rcnn"], recipes={"mnist": NamedRecipe(train=TrainConfig(shift=1))})

    def test_a_baseline_has_none(self):
        with pytest.raises(ConfigError, match="recipes would do nothing: commonest_class is fitted in one step"):
            JobSpec(name="a", model=CommonestClassConfig(), recipes={"mnist": NamedRecipe(train=TrainConfig())})


class TestFlops:
    NETWORK = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.linear = nn.Linear(1, num_classes)
    def forward(self, images):
        return self.linear(torch.fft.rfft(images).real.mean((1, 2, 3))[:, None])
"""

    def test_a_detector_has_no_fixed_number_of_them(self):
        with pytest.raises(ConfigError, match="the FLOPs of a detector depend on what it proposes; give it time"):
            make_trial("faster_rcnn", budget="1e12-flops")

    def test_a_network_that_cannot_be_counted_whole_is_refused_and_it_is_said_why(self, tmp_path: Path):
        file = tmp_path / "net.py"
        file.write_text(self.NETWORK)
        trial = make_trial("own", model=ImportedConfig(network=f"{file}:Net"), budget="1e9-flops")
        shard = run_trial(trial, make_run(tmp_path, trial), device="cpu")
        assert shard.status == "failed"
        assert "cannot be counted whole (aten::_fft_r2c)" in shard.reason
