"""A job states the side of its pictures: one run may hold several, and reads each once."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from lab2.cli.inspecting import inspected
from lab2.data.datasets import check_data
from lab2.data.decoded import decoded_folder
from lab2.data.source import Images
from lab2.errors import ConfigError, DataError
from lab2.launch.planning import plan_trials
from lab2.models.commonest_class import CommonestClassConfig
from lab2.models.imported import ImportedConfig
from lab2.models.layers.fitted import CommonestClass
from lab2.models.network import NetworkConfig
from lab2.spec.architectures import ModelConfig
from lab2.spec.job import DataConfig, JobSpec, TrainConfig, Trial
from lab2.spec.plan import Plan, dump_plan, load_plan
from lab2.train.baseline import BaselineTrainer
from lab2.train.classifier import ClassifierTrainer
from lab2.trial import run_trial
from tests.conftest import TINY, make_run

RESNET = NetworkConfig(name="torchvision:resnet18", image_side=48, weights="random")


def job(name: str, side: int | None = None, model: ModelConfig | None = None) -> JobSpec:
    """A job whose recipe states that side."""
    recipe = TrainConfig(epochs=1, batch_size=16, image_side=side)
    return JobSpec(name=name, model=model or TINY["cnn"], train=recipe)


def plan(folder: Path | str, *jobs: JobSpec, settings: tuple[str, ...] = (), side: int | None = None) -> list[Trial]:
    data = DataConfig(dataset=str(folder), validation_images=16, image_side=side)
    return plan_trials(jobs, [1], data, settings, smoke=False)


def sides(trials: list[Trial]) -> list[int | None]:
    return [trial.data.image_side for trial in trials]


class TestWhoDecides:
    def test_a_recipe_before_the_run(self, image_folder: Path):
        assert sides(plan(image_folder, job("a", 8), job("b"), side=20)) == [8, 20]

    def test_a_setting_before_a_recipe(self, image_folder: Path):
        settings = ("data.image_side=20", "train.image_side=9", "b:train.image_side=None")
        assert sides(plan(image_folder, job("a", 8), job("b", 8), settings=settings)) == [9, 20]

    def test_the_run_before_a_network(self, image_folder: Path):
        assert sides(plan(image_folder, job("a", model=RESNET), side=20)) == [20]

    @pytest.mark.parametrize(("crop", "side"), [(None, 48), (0.75, 64)])
    def test_a_network_that_states_one_where_nobody_else_does(self, image_folder: Path, crop: float | None, side: int):
        jobs = job("a", model=replace(RESNET, crop=crop)), job("b")
        assert sides(plan(image_folder, *jobs)) == [side, None]

    def test_the_side_for_which_a_librarys_network_was_made(self, image_folder: Path):
        models = [NetworkConfig(name=f"torchvision:{name}", weights="random") for name in ("resnet18", "inception_v3")]
        jobs = [job(name, model=model) for name, model in zip("ab", models, strict=True)]
        assert sides(plan(image_folder, *jobs)) == [224, 299]
        jobs = [job(name, model=replace(model, weights="pretrained")) for name, model in zip("ab", models, strict=True)]
        assert sides(plan(image_folder, *jobs)) == [256, 342]  # torchvision resizes to these, and crops 224 and 299

    def test_without_torch_it_is_the_usual_one(self, image_folder: Path):
        code = (
            "import sys; sys.modules['torch'] = None\n"
            "from lab2.models.network import NetworkConfig\n"
            "print(NetworkConfig(name='torchvision:inception_v3').decoded_side)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.stdout == "224\n", done.stderr

    def test_an_older_network_leaves_it_to_the_data(self, image_folder: Path):
        older = ImportedConfig(network="torchvision.models:resnet18", image_side=32)
        assert sides(plan(image_folder, job("a", model=older), job("b", model=TINY["alexnet"]))) == [None, None]

    @pytest.mark.parametrize("dataset", ["mnist", "torchvision:cifar10"])
    def test_arrays_have_their_own(self, dataset: str):
        assert sides(plan(dataset, job("a", model=RESNET))) == [None]

    def test_torchvisions_pictures_have_none(self):
        assert sides(plan("torchvision:Flowers102", job("a", model=RESNET))) == [48]

    def test_a_recipe_for_pictures_alone_is_refused_for_arrays(self):
        with pytest.raises(DataError, match=r"image_side=8 is for sets of pictures; leave out .*train\.image_side"):
            list(check_data(plan("mnist", job("a", 8))))

    def test_a_setting_that_a_recipe_would_overrule_is_refused(self, image_folder: Path):
        with pytest.raises(ConfigError, match=r"a's recipe says train\.image_side=8; set a:train\.image_side"):
            plan(image_folder, job("a", 8), settings=("a:data.image_side=20",))

    @pytest.mark.parametrize("side", [0, -1])
    def test_no_side_below_one(self, side: int):
        with pytest.raises(ConfigError, match=rf"train\.image_side={side} must be positive"):
            TrainConfig(image_side=side)


class TestOneRunOfTwo:
    def test_each_side_is_read_once(self, image_folder: Path):
        found = list(check_data(plan(image_folder, job("a", 8), job("b"), job("c", 8))))
        data = {trial.job.name: read for trial, read in found}
        assert data["a"] is data["c"]
        assert {name: read.shape.side for name, read in data.items()} == {"a": 8, "b": 12, "c": 8}
        assert len([path for path in decoded_folder().iterdir() if path.is_dir() and path.name != "stamps"]) == 2

    def test_each_side_is_inspected_once_and_its_faults_are_said_once(self, image_folder: Path, capsys):
        (image_folder / "test/left/copy.png").write_bytes((image_folder / "train/left/0.png").read_bytes())
        found = inspected(plan(image_folder, job("a", 8), job("b"), job("c", 8)))
        assert [findings.form for findings, _ in found] == [(1, 8), (1, 12)]
        assert capsys.readouterr().err.count("LEAK") == 1

    @pytest.mark.slow
    def test_each_trial_is_recorded_with_its_side(self, image_folder: Path, tmp_path: Path):
        trials = plan(image_folder, job("a", 8), job("b"))
        run = make_run(tmp_path, *trials)
        shards = [run_trial(trial, run, device="cpu") for trial in run.read_plan().trials]
        assert [shard.reason for shard in shards] == ["", ""]
        assert [shard.decoded_side for shard in shards] == [8, 12]
        assert [shard.image_side for shard in shards] == [8, 12]

    def test_a_plan_of_two_sides_comes_back_as_it_was(self, image_folder: Path):
        trials = tuple(plan(image_folder, job("a", 8), job("b")))
        first = Plan(run_id="run", created_at="2026-01-01T00:00:00", smoke=False, trials=trials)
        assert load_plan(dump_plan(first)) == first


def test_a_side_is_part_of_a_trials_identity_and_none_is_as_before(image_folder: Path):
    a, b, c = plan(image_folder, job("a"), replace(job("a", 8), name="a"), replace(job("a", 9), name="a"))
    before = Trial(job=job("a"), data=DataConfig(dataset=str(image_folder), validation_images=16), seed=1)
    assert len({a.digest, b.digest, c.digest}) == 3
    assert a.digest == before.digest


class Counting(nn.Module):
    """Counts the images of each batch."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []
        self.bias = nn.Parameter(torch.zeros(2))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.seen.append(len(images))
        return self.bias + torch.zeros(len(images), 2)


@pytest.mark.parametrize(("side", "count", "most"), [(28, 501, 500), (64, 501, 500), (224, 45, 40), (2000, 3, 1)])
def test_large_images_are_predicted_fewer_at_a_time(side: int, count: int, most: int):
    images = Images(np.zeros((count, 1, side, side), np.uint8), np.zeros(count, np.int64))
    network = Counting()
    trainer = ClassifierTrainer(network, TrainConfig(), images, device=torch.device("cpu"), precision="fp32", seed=1)
    trainer.release()
    trainer.predict(images)
    assert network.seen == [most] * (count // most) + [count % most] * (count % most > 0)


def test_baselines_too():
    images = Images(np.zeros((45, 1, 224, 224), np.uint8), np.arange(45) % 2)
    job = JobSpec(name="commonest_class", model=CommonestClassConfig())
    trainer = BaselineTrainer(CommonestClass(2), job, images, device=torch.device("cpu"), seed=1)
    assert trainer.predict_batch == 40
    list(trainer.fit())
    assert trainer.predict(images).y_pred.shape == (45,)
