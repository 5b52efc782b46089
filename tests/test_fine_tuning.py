"""Fine-tuning: the head first on features that are computed once, then everything, the features more slowly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lab2.data.datasets import load_test, load_training
from lab2.models.alexnet import AlexNetConfig
from lab2.models.building import build
from lab2.models.building.pretrained import TransferNet
from lab2.models.building.weights import save_weights
from lab2.spec.job import DataConfig, TrainConfig
from lab2.train import make_trainer
from lab2.train.trainer import Trainer
from lab2.train.transfer import TransferTrainer
from lab2.trial import run_trial
from tests.conftest import SMALL, TINY, make_run, make_trial, on_folder
from tests.test_train import CPU, TWO_THOUSAND


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
    @pytest.mark.slow
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

    @pytest.mark.slow
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
        second.resume_from(state, Path("checkpoint"))
        assert [step.number for step in second.fit()] == [5, 6]
        assert 300 not in calls

    @pytest.mark.slow
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
        second.resume_from(first.state(), tmp_path / "checkpoint")
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
