"""Steps of fixed shapes and given draws, as a CUDA graph repeats them, have the bits of eager ones: all five jobs."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from lab2.data.datasets import load_training
from lab2.measure.hardware import make_repeatable
from lab2.models.building import build
from lab2.train import make_trainer
from lab2.train.graph import EAGER_STEPS, LossOf
from lab2.train.stage import Stage
from lab2.train.waits import Waits
from tests.as_on_gpu import Recorder, graphs_stood_in, optimize_as_on_gpu
from tests.conftest import augmentation, make_trial


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """It stands in for the graph of a stage's steps, with optimisers as on a GPU."""
    recorder = graphs_stood_in(monkeypatch)
    optimize_as_on_gpu(monkeypatch)
    eagerly = Stage._update

    def update(stage: Stage, loss_of: LossOf, inputs: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        return recorder.update(loss_of, inputs, partial(eagerly, stage))

    monkeypatch.setattr(Stage, "_update", update)
    return recorder


@pytest.mark.parametrize(
    ("name", "more"),
    [
        *(("vit", {"optimizer": optimizer}) for optimizer in ("adamw", "sgd", "muon")),
        *((name, {}) for name in ("cnn", "faster_rcnn", "alexnet", "vgg16")),
        *((name, augmentation(name)) for name in ("cnn", "vit")),
        ("faster_rcnn", {"optimizer": "sgd"}),
    ],
    ids=str,
)
def test_steps_of_fixed_shapes_and_given_draws_have_the_bits_of_eager_ones(
    recorder: Recorder, name: str, more: dict[str, Any]
):
    """On static inputs that each step overwrites: what a step reads besides would be that of the recording."""
    large = name in ("alexnet", "vgg16")

    def trained(*, graphed: bool) -> tuple[list[Tensor], dict[str, Tensor]]:
        recorder.calls.clear()
        trial = make_trial(name, batch_size=4 if large else 50, **more)
        make_repeatable(1)
        data = load_training(trial.data)
        built = build(trial.job.model, data.shape)
        trainer = make_trainer(trial.job, built, data.train, device=torch.device("cpu"), precision="fp32", seed=1)
        trainer.graphed = graphed
        losses = [step.loss for step in itertools.islice(trainer.fit(), EAGER_STEPS + (1 if large else 4))]
        assert ("replayed" in recorder.calls) == graphed == trainer.replayed
        return [loss for loss in losses if loss is not None], trainer.model.state_dict()

    (losses, weights), (eager_losses, eager_weights) = trained(graphed=True), trained(graphed=False)
    assert all(torch.equal(one, other) for one, other in zip(losses, eager_losses, strict=True))
    assert all(torch.equal(weights[key], eager_weights[key]) for key in weights)


@pytest.mark.parametrize("waiting", [False, True])
def test_the_step_that_is_thrown_away_decides_whether_steps_are_recorded(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch, waiting: bool
):
    counted: list[Waits] = []

    def count(_: torch.device) -> Waits:
        counted.append(Waits())  # each tensor of this CPU stands for one of a GPU
        return counted[-1]

    monkeypatch.setattr("lab2.train.graph.Waits", count)
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda _: torch.tensor([1]))
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda *_: None)
    trial = make_trial("cnn")
    data = load_training(trial.data)
    built = build(trial.job.model, data.shape)
    trainer = make_trainer(trial.job, built, data.train, device=torch.device("cpu"), precision="fp32", seed=1)
    if waiting:
        trainer.model.register_forward_hook(lambda *_: print(torch.ones(1).item()))
    trainer.device = torch.device("cuda")  # what decides whether it is done; all else stays on the CPU
    trainer.warm_up()
    trainer.device = torch.device("cpu")
    assert trainer.graphed != waiting
    for _ in itertools.islice(trainer.fit(), EAGER_STEPS + 1):
        pass
    assert trainer.replayed != waiting
    assert len(counted) == 1  # the training's own steps are not slowed by counting
