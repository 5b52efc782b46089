"""The loops: they learn, they repeat bit for bit, they transfer, and they leave a row whatever happens."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from lab2.check import check_trials
from lab2.data.datasets import load_training
from lab2.errors import DataError, WeightsError
from lab2.measure.predictions import read_predictions
from lab2.models.alexnet import AlexNetConfig
from lab2.models.building import build
from lab2.models.cnn import CNNConfig
from lab2.models.vit import ViTConfig
from lab2.results.journal import read_history
from lab2.results.run_dir import RunDir
from lab2.spec.job import TrainConfig, Trial
from lab2.stop import Stopped
from lab2.train import make_trainer
from lab2.train.optimizer import Group
from lab2.train.stage import Stage, Step, count_steps
from lab2.trial import run_trial, set_up
from tests.conftest import SMALL, TINY, augmentation, make_run, make_trial, on_folder

DETECTOR = pytest.param("faster_rcnn", marks=pytest.mark.slow)
EACH = ("cnn", "vit", DETECTOR)
CPU = torch.device("cpu")
TWO_THOUSAND = replace(SMALL, train_images=2000, test_images=500)


def make_stage(*, images: int, batch_size: int, epochs: float, seed: int = 0) -> Stage:
    """A stage that moves a single weight."""
    weight = torch.nn.Parameter(torch.ones(()))
    config = TrainConfig(batch_size=batch_size)
    moved: list[Group] = [{"params": [weight], "lr": 0.1, "max_lr": 0.1, "weight_decay": 0.0}]
    generator = torch.Generator().manual_seed(seed)
    return Stage(moved, config, images=images, epochs=epochs, generator=generator)


def walk(stage: Stage, steps: int | None = None) -> list[list[int]]:
    """The batches of the next `steps` steps."""
    (weight,) = stage.optimizer.parameters
    batches = []
    for batch in itertools.islice(stage, steps):
        batches.append(batch.tolist())
        stage.step(lambda seen: (weight * seen.sum()) ** 2, batch)
    return batches


class TestStage:
    def test_batches_are_permutations_one_after_another(self):
        order = list(itertools.chain(*walk(make_stage(images=6, batch_size=4, epochs=2))))
        assert len(order) == 12 == 4 * count_steps(6, 4, 2)
        assert sorted(order[:6]) == sorted(order[6:]) == [*range(6)]

    @given(steps=st.integers(0, 7))
    def test_it_goes_on_from_wherever_it_was_left(self, steps: int):
        whole, first, second = (make_stage(images=10, batch_size=4, epochs=3, seed=n) for n in (5, 5, 6))
        expected = walk(whole)
        begun = walk(first, steps)
        second.optimizer.parameters[0].data.copy_(first.optimizer.parameters[0].data)
        second.restore(first.state())
        assert begun + walk(second) == expected
        assert torch.equal(second.optimizer.parameters[0], whole.optimizer.parameters[0])

    def test_one_and_a_half_epochs(self):
        assert count_steps(100, 10, 1.5) == 15

    def test_there_is_always_a_step(self):
        assert count_steps(10, 10, 0.01) == 1


@pytest.mark.parametrize("name", EACH)
def test_a_trial_leaves_a_whole_row_curve_and_predictions(name: str, tmp_path: Path):
    trial = make_trial(name, epochs=2, target_accuracy=0.01)
    run = make_run(tmp_path, trial)
    shard = run_trial(trial, run, device="cpu")
    assert (shard.status, shard.reason) == ("ok", "")
    optional = {"all_machines", "image_digest", "scheduler_job_id", "git_commit", "git_dirty", "budget"}
    optional |= {"seconds_to_target", "fault", "trials_at_once"}
    of_others = {"log_loss", "calibration_error"} if name == "faster_rcnn" else {"map_50", "map_50_95", "boxes"}
    absent = {n for n in shard.__dataclass_fields__ if getattr(shard, n) is None}
    assert absent <= optional | of_others
    assert shard.train_seconds < shard.wall_seconds
    assert shard.startup_seconds + shard.train_seconds < shard.wall_seconds
    assert 0 < shard.train_cpu_seconds < shard.cpu_seconds
    curve = read_history(run, trial.name)
    assert curve[-1].validation_accuracy == shard.validation_accuracy
    saved = read_predictions(run.predictions(trial.name))
    assert shard.accuracy == accuracy_score(saved.y_true, saved.y_pred) == (saved.y_true == saved.y_pred).mean()
    assert shard.macro_f1 == pytest.approx(macro_f1(saved.y_true, saved.y_pred))
    assert saved.probabilities is not None
    assert saved.probabilities.shape == (100, 10)


def macro_f1(truth: np.ndarray, answer: np.ndarray) -> float:
    """The mean over classes of 2 TP / (2 TP + FP + FN), by counting."""
    hits = [((truth == c) & (answer == c)).sum() for c in np.unique(truth)]
    named = [(truth == c).sum() + (answer == c).sum() for c in np.unique(truth)]
    return float(np.mean(2 * np.array(hits) / np.array(named)))


@pytest.mark.parametrize("name", ["cnn", "alexnet", "faster_rcnn"])
def test_convolutions_are_held_channels_last(name: str):
    network = set_up(make_trial(name), "cpu", 1).trainer.model
    kernels = [m.weight for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert kernels
    assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in kernels)


@pytest.mark.parametrize("precision", ["bf16", pytest.param("fp16", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", EACH)
def test_each_trains_in_a_lower_precision_that_is_asked_for(name: str, precision: str, tmp_path: Path):
    trial = make_trial(name, precision=precision)
    shard = run_trial(trial, make_run(tmp_path, trial), device="cpu")
    assert (shard.status, shard.reason, shard.precision) == ("ok", "", precision)


@pytest.mark.parametrize("name", EACH)  # tests/test_checkpoint.py says more of the others
def test_the_same_trial_twice_gives_the_same_bits(name: str, tmp_path: Path):
    trial = make_trial(name, **augmentation(name))
    contents = []
    for attempt in ("a", "b"):
        run = make_run(tmp_path, trial, run_id=attempt)
        assert run_trial(trial, run, device="cpu").status == "ok"
        contents.append(run.predictions(trial.name).read_bytes())
    assert contents[0] == contents[1]


def interrupt(run: RunDir, trial: Trial) -> None:
    """Run `trial` and end it by SIGTERM in the midst of its third step from here."""
    steps = itertools.count(1)
    whole_step = Stage.step

    def step(stage: Stage, loss_of: Callable[..., torch.Tensor], *inputs: torch.Tensor) -> Step:
        if next(steps) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return whole_step(stage, loss_of, *inputs)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(Stage, "step", step)
        run_trial(trial, run, device="cpu", requeue=True)
    assert not run.shard(trial.name).exists()
    assert run.checkpoint(trial.name).exists()


class Waits(TorchDispatchMode):
    """Counts the operations that make a GPU's caller wait: a number or a mask is read on the CPU."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.name()
        if name.startswith(("aten::_local_scalar_dense", "aten::nonzero", "aten::is_nonzero", "aten::equal")):
            self.seen.append(name)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    ("name", "optimizer"),
    [
        *((name, "adamw") for name in ("cnn", "vit", "alexnet")),
        pytest.param("vgg16", "adamw", marks=pytest.mark.slow),
        ("vit", "muon"),
    ],
)
def test_a_step_of_a_classifier_never_waits_for_the_accelerator(name: str, optimizer: str):
    trial = make_trial(name, optimizer=optimizer)
    data = load_training(trial.data)
    job = replace(trial.job, train=replace(trial.job.train, **augmentation(name)))
    trainer = make_trainer(job, build(job.model, data.shape), data.train, device=CPU, precision="fp32", seed=1)
    steps = trainer.fit()
    next(steps)
    with Waits() as waits:
        step = next(steps)
    assert waits.seen == []
    with Waits() as waits:
        float(step.loss)  # what the test looks for, it finds
    assert waits.seen == ["aten::_local_scalar_dense"]


@pytest.mark.parametrize(("images", "warmup"), [(250, 0.2), (100, 0.5), (200, 0.25), (500, 0.1)])
def test_a_rise_of_one_step_is_no_division_by_zero(images: int, warmup: float):
    weight = torch.nn.Parameter(torch.ones(()))
    moved: list[Group] = [{"params": [weight], "lr": 0.1, "max_lr": 0.1, "weight_decay": 0.0}]
    config = TrainConfig(batch_size=50, warmup=warmup)
    stage = Stage(moved, config, images=images, epochs=1, generator=torch.Generator())
    assert len(walk(stage)) == images // 50


@pytest.mark.slow
@pytest.mark.parametrize(("name", "floor"), [("cnn", 0.93), ("vit", 0.60)])  # AlexNet learns in the transfer below
def test_it_learns_from_two_thousand_digits(name: str, floor: float, tmp_path: Path):
    models = {"cnn": CNNConfig(filters=(8, 16), hidden=64), "vit": ViTConfig()}
    recipes = {"cnn": (8, 5e-3), "vit": (15, 1e-2)}
    epochs, rate = recipes[name]
    trial = replace(make_trial(name, model=models[name], epochs=epochs, learning_rate=rate), data=TWO_THOUSAND)
    shard = run_trial(trial, make_run(tmp_path, trial), device="cpu")
    assert shard.accuracy is not None
    assert shard.accuracy > floor


@pytest.mark.slow
def test_the_detector_learns_to_find_and_to_name(tmp_path: Path):
    trial = make_trial("faster_rcnn", epochs=6, learning_rate=5e-3, batch_size=48)
    model = replace(TINY["faster_rcnn"], widths=(16, 16, 32), hidden=64, proposals=16, test_scenes=60)
    trial = replace(trial, job=replace(trial.job, model=model), data=replace(SMALL, train_images=2000))
    shard = run_trial(trial, make_run(tmp_path, trial), device="cpu")
    assert shard.map_50 is not None
    assert shard.map_50 > 0.4
    assert shard.accuracy is not None
    assert shard.accuracy > 0.5


class TestWhatGoesWrong:
    def test_a_failure_is_a_row_with_its_reason(self, tmp_path: Path):
        trial = make_trial("cnn", batch_size=5000)
        run = make_run(tmp_path, trial)
        shard = run_trial(trial, run, device="cpu")
        assert shard.status == "failed"
        assert "train.batch_size=5000 is larger than the 300 training images" in shard.reason

    def test_a_batch_larger_than_the_data_is_refused_before_anything_starts(self):
        with pytest.raises(DataError, match="set it to 300 or less"):
            check_trials([make_trial("cnn", batch_size=301)], "cpu")

    def test_weights_that_are_not_there_are_refused_before_anything_starts(self):
        trial = make_trial("alexnet", model=AlexNetConfig(weights="imagenet"))
        with pytest.raises(WeightsError, match="lab2 prepare alexnet"):
            check_trials([trial], "cpu")

    def test_running_out_of_memory_has_a_status_of_its_own(self, tmp_path: Path, monkeypatch):
        def greedy(*_args: object) -> None:
            torch.empty(2**50)

        monkeypatch.setattr("lab2.attempt.TrialAttempt.train", greedy)
        trial = make_trial("cnn")
        assert run_trial(trial, make_run(tmp_path, trial), device="cpu").status == "out_of_memory"

    @pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, "cancelled"), (signal.SIGUSR2, "timeout")])
    def test_a_signal_leaves_a_row(self, tmp_path: Path, number: int, status: str):
        trial = make_trial("cnn", epochs=10_000)
        run = make_run(tmp_path, trial)

        def knock() -> None:
            while not read_history(run, trial.name):
                time.sleep(0.01)
            os.kill(os.getpid(), number)

        thread = threading.Thread(target=knock)
        thread.start()
        shard = run_trial(trial, run, device="cpu")
        thread.join()
        assert shard.status == status
        assert signal.getsignal(number) is not None

    @pytest.mark.slow
    def test_a_small_vit_can_be_grown_to_any_size(self, tmp_path: Path):
        trial = make_trial("vit", model=ViTConfig(dim=64, depth=3, num_heads=8, patch_size=7))
        assert run_trial(trial, make_run(tmp_path, trial), device="cpu").status == "ok"


@pytest.mark.parametrize("name", EACH)
def test_any_image_folder_flows_through(name: str, image_folder: Path, tmp_path: Path):
    trial = on_folder(make_trial(name, batch_size=16), image_folder)
    shard = run_trial(trial, make_run(tmp_path, trial), device="cpu")
    assert shard.status == "ok", shard.reason
    assert (shard.image_side, shard.test_images) == (12, 20)
