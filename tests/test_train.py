"""The loops: they learn, they repeat bit for bit, they transfer, and they leave a row whatever happens."""

from __future__ import annotations

import itertools
import os
import re
import resource
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from lab2.check import check_trials
from lab2.data.datasets import load_test, load_training
from lab2.data.scenes import Scenes
from lab2.errors import DataError, WeightsError
from lab2.measure.predictions import read_predictions
from lab2.models.alexnet import AlexNetConfig
from lab2.models.building import build
from lab2.models.building.pretrained import TransferNet
from lab2.models.building.weights import save_weights
from lab2.models.cnn import CNNConfig
from lab2.models.vit import ViTConfig
from lab2.results.journal import read_history
from lab2.results.run_dir import RunDir
from lab2.spec.job import DataConfig, TrainConfig, Trial
from lab2.stop import Stopped
from lab2.train import make_trainer
from lab2.train.checkpoint import Checkpoint, save_checkpoint
from lab2.train.detector import targets
from lab2.train.optimizer import Group
from lab2.train.stage import Stage, Step, count_steps
from lab2.train.trainer import Trainer
from lab2.train.transfer import TransferTrainer
from lab2.trial import run_trial, set_up
from tests.conftest import SMALL, TINY, make_run, make_trial, on_folder

FAST = ("cnn", "vit", "faster_rcnn")
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
        stage.step((weight * batch.sum()) ** 2)
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


def test_a_detector_is_told_what_is_there_and_counts_the_background_as_0():
    boxes = torch.tensor([[[0.0, 0, 4, 4], [1, 1, 2, 2]], [[5, 5, 9, 9], [0, 0, 1, 1]]])
    there = torch.tensor([[True, False], [True, True]])
    scenes = Scenes(images=torch.empty(2, 1, 9, 9), boxes=boxes, labels=torch.tensor([[0, 7], [9, 3]]), present=there)
    first, second = targets(scenes, CPU)
    assert (first["boxes"].tolist(), first["labels"].tolist()) == ([[0, 0, 4, 4]], [1])
    assert (second["boxes"].tolist(), second["labels"].tolist()) == ([[5, 5, 9, 9], [0, 0, 1, 1]], [10, 4])


@pytest.mark.parametrize("name", FAST)
def test_a_trial_leaves_a_whole_row_curve_and_predictions(name: str, tmp_path: Path):
    trial = make_trial(name, epochs=2, target_accuracy=0.01)
    run = make_run(tmp_path, trial)
    shard = run_trial(trial, run, device="cpu")
    assert (shard.status, shard.reason) == ("ok", "")
    optional = {"all_machines", "image_digest", "scheduler_job_id", "git_commit", "git_dirty", "seconds_to_target"}
    of_others = {"log_loss", "calibration_error"} if name == "faster_rcnn" else {"map_50", "map_50_95"}
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


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("name", FAST)
def test_each_trains_in_a_lower_precision_that_is_asked_for(name: str, precision: str, tmp_path: Path):
    trial = make_trial(name, precision=precision)
    shard = run_trial(trial, make_run(tmp_path, trial), device="cpu")
    assert (shard.status, shard.reason, shard.precision) == ("ok", "", precision)


@pytest.mark.parametrize("name", FAST)  # of the others the interrupted trial below says more
def test_the_same_trial_twice_gives_the_same_bits(name: str, tmp_path: Path):
    trial = make_trial(name, **augmentation(name))
    contents = []
    for attempt in ("a", "b"):
        run = make_run(tmp_path, trial, run_id=attempt)
        assert run_trial(trial, run, device="cpu").status == "ok"
        contents.append(run.predictions(trial.name).read_bytes())
    assert contents[0] == contents[1]


def augmentation(name: str) -> dict[str, float]:
    """All there is; a detector has none."""
    return {} if name == "faster_rcnn" else {"rotation": 10.0, "stretch": 0.1, "shift": 1}


def interrupt(run: RunDir, trial: Trial) -> None:
    """Run `trial` and end it by SIGTERM in the midst of its third step from here."""
    steps = itertools.count(1)
    whole_step = Stage.step

    def step(stage: Stage, loss: torch.Tensor) -> Step:
        if next(steps) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return whole_step(stage, loss)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(Stage, "step", step)
        run_trial(trial, run, device="cpu", requeue=True)
    assert not run.shard(trial.name).exists()
    assert run.checkpoint(trial.name).exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", [*TINY, "batch_norm", "transfer", "muon"])
def test_an_interrupted_trial_ends_with_the_same_bits(name: str, tmp_path: Path):
    architecture = {"batch_norm": "cnn", "transfer": "alexnet", "muon": "vit"}.get(name, name)
    small = architecture in FAST
    trial = make_trial(architecture, **augmentation(architecture), epochs=3 if small else 1)
    if name == "muon":
        trial = replace(trial, job=replace(trial.job, train=replace(trial.job.train, optimizer="muon")))
    if name == "batch_norm":
        trial = replace(trial, job=replace(trial.job, model=replace(TINY["cnn"], batch_norm=True)))
    if name == "transfer":
        path = tmp_path / "w.safetensors"
        save_weights(path, build(TINY["alexnet"], load_training(SMALL).shape).model, "alexnet", "mnist")
        trial = replace(trial, job=replace(trial.job, model=AlexNetConfig(weights=str(path), dropout=0.5)))
    whole, broken = (make_run(tmp_path, trial, run_id=name) for name in ("whole", "broken"))
    assert run_trial(trial, whole, device="cpu").status == "ok"
    times = 3 if small else 1  # the checkpoints of the others are large
    for _ in range(times):
        interrupt(broken, trial)
    checkpoint = torch.load(broken.checkpoint(trial.name), weights_only=True)
    before = checkpoint["so_far"]["now"]["train_seconds"]
    shard = run_trial(trial, broken, device="cpu", requeue=True)
    assert shard.status == "ok", shard.reason
    assert shard.attempts == times + 1
    moved = {
        "vgg16": 33_638_218,
        "alexnet": 20_344_650,
        "transfer": 20_344_650,
    }  # by hand, with one cell for all copies
    assert shard.trained_parameters == moved.get(name, shard.parameters)
    assert broken.predictions(trial.name).read_bytes() == whole.predictions(trial.name).read_bytes()
    points = [[(p.epoch, p.loss, p.validation_accuracy) for p in read_history(r, trial.name)] for r in (whole, broken)]
    assert points[0] == points[1]
    assert not broken.checkpoint(trial.name).exists()
    assert before < shard.train_seconds  # of all attempts, not of the last


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_a_trial_goes_on_in_the_precision_in_which_it_began(precision: str, tmp_path: Path, monkeypatch):
    trial = make_trial("cnn", epochs=3)
    whole, broken = (make_run(tmp_path, trial, run_id=name) for name in ("whole", "broken"))
    monkeypatch.setattr("lab2.trial.choose_precision", lambda *_: precision)
    assert run_trial(trial, whole, device="cpu").precision == precision
    interrupt(broken, trial)
    monkeypatch.setattr("lab2.trial.choose_precision", lambda *_: "fp32")  # of a node of another kind
    assert run_trial(trial, broken, device="cpu").precision == precision
    assert broken.predictions(trial.name).read_bytes() == whole.predictions(trial.name).read_bytes()


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
    ("name", "optimizer"), [*((name, "adamw") for name in ("cnn", "vit", "alexnet", "vgg16")), ("vit", "muon")]
)
def test_a_step_of_a_classifier_never_waits_for_the_accelerator(name: str, optimizer: str):
    trial = make_trial(name, optimizer=optimizer)
    data = load_training(trial.data)
    job = replace(trial.job, train=replace(trial.job.train, rotation=10, stretch=0.1, shift=1))
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


class TestCheckpoint:
    @pytest.fixture
    def trial(self) -> Trial:
        return make_trial("cnn", epochs=2)

    @pytest.fixture
    def run(self, trial: Trial, tmp_path: Path, monkeypatch) -> RunDir:
        """A run in which the trial was interrupted."""
        monkeypatch.setenv("SLURM_JOB_ID", "17")
        run = make_run(tmp_path, trial)
        interrupt(run, trial)
        return run

    def test_it_is_read_as_data_alone(self, trial: Trial, run: RunDir):
        assert torch.load(run.checkpoint(trial.name), weights_only=True)["digest"] == trial.digest

    @pytest.mark.parametrize("room", [100, 5000])  # bytes; torch meets the refusal when it closes, or before
    def test_one_that_the_disk_refuses_leaves_the_one_before(self, trial: Trial, run: RunDir, room: int):
        before = run.checkpoint(trial.name).read_bytes()
        larger = Checkpoint(digest="", made_by="", trainer={"weight": torch.zeros(100_000)}, so_far={})
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
        try:
            with pytest.raises(OSError, match="File too large"):
                save_checkpoint(run.checkpoint(trial.name), larger)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert run.checkpoint(trial.name).read_bytes() == before

    @pytest.mark.parametrize("harm", ["cut", "emptied", "foreign", "of another commit"])
    def test_one_that_cannot_be_gone_on_from_is_left_aside(self, trial: Trial, run: RunDir, harm: str, caplog):
        path = run.checkpoint(trial.name)
        content = {"cut": path.read_bytes()[:-500], "emptied": b"", "foreign": b"not a checkpoint"}
        if harm in content:
            path.write_bytes(content[harm])
        else:
            torch.save({**torch.load(path, weights_only=True), "made_by": "lab2 0.0"}, path)
        shard = run_trial(trial, run, device="cpu")
        assert shard.status == "ok"
        assert str(path) in caplog.text
        assert "starts over" in caplog.text
        reasons = {
            "emptied": "cannot be read (it ends too soon)",
            "of another commit": "made_by is lab2 0.0, now it is lab2 ",
        }
        assert reasons.get(harm, "") in caplog.text
        assert "None" not in caplog.text

    @pytest.mark.parametrize(
        ("harm", "message"),
        [
            ("renamed", "network.0.weight is not in it; stem.weight is in it, and not here"),
            ("absent", "network.0.weight is not in it"),
            ("more", "stem.weight is in it, and not here"),
            ("other shapes", r"network.0.weight has shape \(4, 1, 5, 4\), here \(4, 1, 5, 5\)"),
            ("other stage", "it was made in the stage head, here that is all"),
            ("other order", "its optimisers moved the parameters in other groups, or in another order"),
            ("other optimiser", "its optimisers moved the parameters in other groups, or in another order"),
        ],
    )
    def test_one_of_another_network_or_recipe_is_refused(self, trial: Trial, run: RunDir, harm: str, message: str):
        path = run.checkpoint(trial.name)
        content = torch.load(path, weights_only=True)
        trainer = content["trainer"]
        model, (optimizer,) = trainer["model"], trainer["moved"]
        first = "network.0.weight"
        match harm:
            case "renamed":
                model["stem.weight"] = model.pop(first)
            case "absent":
                del model[first]
            case "more":
                model["stem.weight"] = model[first]
            case "other shapes":
                model[first] = model[first][..., :4]
            case "other stage":
                trainer["stage"] = "head"
            case "other order":  # as of a network whose layers were written down in another order
                optimizer[1].reverse()
            case "other optimiser":
                optimizer[0] = "SGD"
        torch.save(content, path)
        shard = run_trial(trial, run, device="cpu", requeue=True)
        assert shard.status == "failed"
        assert shard.reason.startswith(f"{path}: of another network or recipe than this trial's: ")
        assert re.search(message, shard.reason)
        assert shard.reason.endswith("; remove it, then lab2 resume starts the trial over")
        path.unlink()
        assert run_trial(trial, run, device="cpu", requeue=True).status == "ok"

    def test_a_trial_that_gets_no_further_is_given_up_after_three_attempts(
        self, trial: Trial, run: RunDir, monkeypatch
    ):
        for _ in range(2):
            run.checkpoint(trial.name).unlink()
            run.progress(trial.name).unlink()
            interrupt(run, trial)
        run.checkpoint(trial.name).unlink()
        shard = run_trial(trial, run, device="cpu", requeue=True)
        assert shard.status == "failed"
        assert "3 attempts in a row ended without getting further than step 0" in shard.reason
        monkeypatch.setenv("SLURM_JOB_ID", "18")  # a user who resumes has a new job, and three attempts again
        assert run_trial(trial, run, device="cpu", requeue=True).status == "ok"


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


@pytest.mark.slow
def test_alexnet_learns_and_its_weights_beat_random_ones_when_images_are_few(tmp_path: Path):
    """Trained on two thousand digits of MNIST, then fine-tuned on 200 of other writers, upside down."""
    first = replace(make_trial("alexnet", epochs=3, learning_rate=1e-3, save_weights=True), data=TWO_THOUSAND)
    source = make_run(tmp_path, first, run_id="first")
    learned = run_trial(first, source, device="cpu")
    assert learned.accuracy is not None, learned.reason
    assert learned.accuracy > 0.80
    pictures = upside_down_digits(tmp_path / "digits", train=200, test=300)
    accuracies: dict[str, float | None] = {}
    for weights in ("random", str(source.weights(first.name))):
        trial = on_folder(make_trial("alexnet", model=AlexNetConfig(weights=weights), epochs=3), pictures)
        run = make_run(tmp_path, trial, run_id=f"second-{len(accuracies)}")
        shard = run_trial(trial, run, device="cpu")
        assert shard.status == "ok", shard.reason
        accuracies[shard.weights] = shard.accuracy
    random, transferred = accuracies.pop("random"), *accuracies.values()
    assert next(iter(accuracies)).startswith("checkpoint")
    assert transferred > random + 0.1


def upside_down_digits(folder: Path, *, train: int, test: int) -> Path:
    """Digits of MNIST's test part, which no source of weights has seen, turned by 180 degrees, as a folder."""
    from PIL import Image

    data = load_test(DataConfig(test_images=train + test))
    for i, (pixels, label) in enumerate(zip(data.pixels[:, 0], data.labels, strict=True)):
        place = folder / ("train" if i < train else "test") / f"digit-{label}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.ascontiguousarray(pixels[::-1, ::-1])).save(place / f"{i}.png")
    return folder


class Halves(nn.Module):
    """What is in torchvision's AlexNet, very small."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.features = nn.Sequential(nn.Conv2d(3, 4, 5, stride=4), nn.ReLU())
        self.avgpool = nn.AdaptiveAvgPool2d(2)
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(16, 10))


class TestDifferentialRates:
    RECIPE = TrainConfig(batch_size=100, learning_rate=1.0, optimizer="sgd", weight_decay=0.0)

    def new_trainer(self, scale: float) -> TransferTrainer:
        config = AlexNetConfig(head_epochs=0, feature_lr_scale=scale)
        model = TransferNet(Halves(), 28, (0.5,) * 3, (0.25,) * 3)
        images = load_training(SMALL).train
        return TransferTrainer(config, model, self.RECIPE, images, device=CPU, precision="fp32", seed=1)

    def moved(self, scale: float) -> tuple[Tensor, Tensor]:
        """What one step adds to the features' kernels, and to the classifier's weights."""
        trainer = self.new_trainer(scale)
        weights = trainer.model.get_parameter("features.0.weight"), trainer.model.get_parameter("classifier.1.weight")
        before = [weight.detach().clone() for weight in weights]
        steps = trainer.fit()
        next(steps)
        first, second = (weight.detach() - old for weight, old in zip(weights, before, strict=True))
        return first, second

    @pytest.mark.parametrize("scale", [0.1, 0.25])
    def test_the_features_move_by_so_much_less_than_the_head(self, scale: float):
        (features, head), (slow_features, same_head) = self.moved(1.0), self.moved(scale)
        assert features.norm() > 1e-3
        torch.testing.assert_close(slow_features, scale * features, rtol=1e-3, atol=1e-6)
        assert torch.equal(head, same_head)

    def test_each_group_has_its_peak(self):
        trainer = self.new_trainer(0.1)
        steps = trainer.fit()
        next(steps)
        state = trainer.state()
        ((_, *names),), (optimizer,) = state["moved"], state["position"]["optimizer"]["optimizers"]
        peaks = {
            name.split(".")[0]: group["max_lr"]
            for group, moved in zip(optimizer["param_groups"], names, strict=True)
            for name in moved
        }
        assert peaks == {"features": 0.1, "classifier": 1.0}


class TestFeatureCache:
    def test_features_are_computed_once_and_only_the_head_moves(self, tmp_path: Path, monkeypatch):
        trial = make_trial("alexnet", epochs=1, batch_size=100)
        data = load_training(trial.data)
        path = tmp_path / "w.safetensors"
        save_weights(path, build(TINY["alexnet"], data.shape).model, "alexnet", "mnist")
        config = AlexNetConfig(weights=str(path), head_epochs=2)
        built = build(config, data.shape)
        job = replace(trial.job, model=config)
        trainer = make_trainer(job, built, data.train, device=torch.device("cpu"), precision="fp32", seed=1)
        calls = []
        extract = built.model.extract
        monkeypatch.setattr(built.model, "extract", lambda x: calls.append(len(x)) or extract(x))
        before = [p.clone() for p in built.model.features.parameters()]
        steps = trainer.fit()
        for _ in range(6):  # two epochs of three batches
            step = next(steps)
        assert (step.number, step.total, step.epoch) == (6, 9, 2.0)
        assert calls == [1, 300]  # a look at the shape, then all images, once
        assert all(torch.equal(a, b) for a, b in zip(before, built.model.features.parameters(), strict=True))
        assert [s.number for s in steps] == [7, 8, 9]
        assert not all(torch.equal(a, b) for a, b in zip(before, built.model.features.parameters(), strict=True))

    def test_who_goes_on_behind_them_does_not_compute_them_again(self, tmp_path: Path, monkeypatch):
        data = load_training(SMALL)
        path = tmp_path / "w.safetensors"
        save_weights(path, build(TINY["alexnet"], data.shape).model, "alexnet", "mnist")
        trial = make_trial("alexnet", model=AlexNetConfig(weights=str(path), head_epochs=1), batch_size=100)

        def begun() -> tuple[Trainer, list[int]]:
            built, calls = build(trial.job.model, data.shape), []
            extract = built.model.extract
            monkeypatch.setattr(built.model, "extract", lambda x: calls.append(len(x)) or extract(x))
            return make_trainer(trial.job, built, data.train, device=CPU, precision="fp32", seed=1), calls

        first, calls = begun()
        steps = first.fit()
        assert [next(steps).number for _ in range(4)] == [1, 2, 3, 4]  # the fourth moves everything
        state = first.state()
        assert 300 in calls
        second, calls = begun()
        second.go_on(state, Path("checkpoint"))
        assert [step.number for step in second.fit()] == [5, 6]
        assert 300 not in calls

    def test_they_are_computed_in_the_precision_in_which_the_trial_began(self, tmp_path: Path, monkeypatch):
        data = load_training(SMALL)
        path = tmp_path / "w.safetensors"
        save_weights(path, build(TINY["alexnet"], data.shape).model, "alexnet", "mnist")
        trial = make_trial("alexnet", model=AlexNetConfig(weights=str(path), head_epochs=1))

        def begun(precision: str) -> Trainer:
            built = build(trial.job.model, data.shape)
            return make_trainer(trial.job, built, data.train, device=CPU, precision=precision, seed=1)

        first, second = begun("bf16"), begun("fp32")
        steps = first.fit()
        next(steps)
        second.go_on(first.state(), tmp_path / "checkpoint")
        seen = []
        extract = second.model.extract
        monkeypatch.setattr(
            second.model, "extract", lambda x: seen.append(torch.is_autocast_enabled("cpu")) or extract(x)
        )
        for _ in second.fit():
            break
        assert seen == [False, True]  # a look at the shape, then all images

    def test_a_large_cache_is_mapped_from_a_file(self, tmp_path: Path, monkeypatch):
        from lab2.train import transfer

        monkeypatch.setattr(transfer, "memory_limit", lambda: 599)  # bytes; a tenth is less than 5 x 3 numbers of 4
        cache = transfer._empty((5, 3), torch.device("cpu"), str(tmp_path))
        cache[4, 2] = 7.0
        assert cache.shape == (5, 3)
        assert (tmp_path / "features").stat().st_size == 60
        assert (tmp_path / "features").read_bytes()[-4:] == np.float32(7).tobytes()

    def test_a_small_cache_is_not(self, tmp_path: Path, monkeypatch):
        from lab2.train import transfer

        monkeypatch.setattr(transfer, "memory_limit", lambda: 600)
        assert transfer._empty((5, 3), torch.device("cpu"), str(tmp_path)).shape == (5, 3)
        assert list(tmp_path.iterdir()) == []


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

    def test_a_small_vit_can_be_grown_to_any_size(self, tmp_path: Path):
        trial = make_trial("vit", model=ViTConfig(dim=64, depth=3, num_heads=8, patch_size=7))
        assert run_trial(trial, make_run(tmp_path, trial), device="cpu").status == "ok"


@pytest.mark.parametrize("name", FAST)
def test_any_image_folder_flows_through(name: str, image_folder: Path, tmp_path: Path):
    trial = on_folder(make_trial(name, batch_size=16), image_folder)
    shard = run_trial(trial, make_run(tmp_path, trial), device="cpu")
    assert shard.status == "ok", shard.reason
    assert (shard.image_side, shard.test_images) == (12, 20)
