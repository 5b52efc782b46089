"""What waits in a step is counted, and no whole step of the five jobs waits: forward, loss, backward, clip, update."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from lab2.data.datasets import load_training
from lab2.models.building import build
from lab2.spec.recipe import TrainConfig
from lab2.train import make_trainer
from lab2.train.graph import LossOf
from lab2.train.optimizer import groups
from lab2.train.stage import Stage
from lab2.train.trainer import Trainer
from lab2.train.waits import Waits, waits
from tests.as_on_gpu import optimize_as_on_gpu
from tests.conftest import augmentation, make_trial


@pytest.mark.parametrize(
    ("step", "name"),
    [
        (lambda x: x.sum().item(), "aten::_local_scalar_dense"),
        (lambda x: bool((x > 1).any()), "aten::_local_scalar_dense"),
        (lambda x: x[x > 1], "aten::index of a mask"),
        (lambda x: x.masked_fill_(x > 1, 0)[torch.where(x > 1)[0]], "aten::nonzero"),
        (lambda x: x.masked_select(x > 1), "aten::masked_select"),
        (lambda x: x.unique(), "aten::_unique2"),
        (lambda x: x * torch.tensor([1.0, 2.0, 3.0]), "aten::lift_fresh"),
        (lambda x: x.to("meta"), "aten::_to_copy"),
        (lambda x: x.sum().to("meta"), "aten::_to_copy"),
        (lambda x: torch.linalg.inv(x.diag() + torch.eye(3)), "aten::_linalg_check_errors"),
        (lambda x: x.repeat_interleave(x.long()), "aten::repeat_interleave"),
        (lambda x: x.tolist(), "Tensor.tolist"),
        (lambda x: x.numpy(), "Tensor.numpy"),
        (np.asarray, "Tensor.numpy"),
        (lambda x: x.cpu(), "Tensor.cpu"),
        (lambda x: x.to("cpu"), "Tensor.cpu"),
    ],
)
def test_a_wait_is_counted(step: Callable[[Tensor], Any], name: str):
    assert waits(lambda: step(torch.arange(3.0))) == {name: 1}


@pytest.mark.parametrize(
    "step",
    [
        lambda x: x.to(x.device),
        lambda x: x.to(torch.float64),
        list,
        lambda x: x.where(x > 1, 0),
        lambda x: torch.zeros(3, device="meta") * x.sum(),  # a number on the CPU is an operand like one of Python's
    ],
)
def test_what_does_not_wait_is_not_counted(step: Callable[[Tensor], Any]):
    assert waits(lambda: step(torch.arange(3.0))) == {}


def test_where_there_is_an_accelerator_only_what_is_on_it_counts():
    with Waits(torch.device("meta")) as counted:
        assert torch.arange(3.0).sum().item() == 3
        torch.tensor([1.0, 2.0])
        torch.arange(3.0).tolist()
        torch.zeros(3, device="meta") * torch.tensor(2.0)
    assert not counted.found
    with Waits(torch.device("meta")) as counted:
        torch.zeros(3).to("meta")
        torch.zeros((), device="meta").copy_(torch.zeros(()))
    assert counted.found == {"aten::_to_copy": 1, "aten::copy": 1}


def test_what_waits_in_a_backward_pass_is_counted():
    class Waiting(torch.autograd.Function):
        @staticmethod
        def forward(_ctx: Any, x: Tensor) -> Tensor:
            return x.clone()

        @staticmethod
        def backward(_ctx: Any, gradient: Tensor) -> Tensor:
            gradient.sum().item()
            return gradient

    x = torch.ones(3, requires_grad=True)
    assert waits(lambda: Waiting.apply(x).sum().backward()) == {"aten::_local_scalar_dense": 1}


class Operations(TorchDispatchMode):
    """Inside, `done` lists the operations, each with what of it is no tensor: what a graph would record."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[tuple[object, ...]] = []

    def __torch_dispatch__(self, func: Any, types: object, args: Any = (), kwargs: Any = None) -> object:
        if not str(func).startswith("profiler."):  # marks of phases, which compute nothing
            leaves, _ = tree_flatten((args, kwargs or {}))
            self.done.append((str(func), *(tuple(x.shape) if isinstance(x, Tensor) else repr(x) for x in leaves)))
        return func(*args, **(kwargs or {}))


class TakenError(Exception):
    """Ends a training before its first step."""


def taken(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> tuple[LossOf, tuple[Tensor, ...]]:
    """What its first step would be given: the loss, and what it is of."""
    found: list[tuple[LossOf, tuple[Tensor, ...]]] = []

    def take(_stage: Stage, loss_of: LossOf, *inputs: Tensor) -> None:
        found.append((loss_of, inputs))
        raise TakenError

    with monkeypatch.context() as patched, suppress(TakenError):
        patched.setattr(Stage, "step", take)
        next(iter(trainer.fit()))
    return found[0]


def empty_like(model: nn.Module) -> None:
    """Give it parameters and buffers of the same shapes, here and now."""
    for module in model.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                empty = torch.empty(parameter.shape, dtype=parameter.dtype)
                module._parameters[name] = nn.Parameter(empty, requires_grad=parameter.requires_grad)
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = torch.empty(buffer.shape, dtype=buffer.dtype)


def fakes(trainer: Trainer, config: TrainConfig, batch: tuple[Tensor, ...]) -> tuple[Stage, tuple[Tensor, ...]]:
    """A stage of its network, and a batch, without values."""
    outer = {name for name, parameter in trainer.model.named_parameters() if parameter in trainer.outer}
    empty_like(trainer.model)
    named = dict(trainer.model.named_parameters())
    trainer.outer = {named[name] for name in outer}
    order = torch.Generator()
    stage = Stage(groups(trainer.model, config), config, images=100, epochs=1, generator=order, outer=trainer.outer)
    return stage, tuple(torch.empty(one.shape, dtype=one.dtype) for one in batch)


@pytest.mark.parametrize(
    ("name", "more"),
    [*((name, {}) for name in ("cnn", "vit", "alexnet", "vgg16", "faster_rcnn")), ("vit", augmentation("vit"))],
    ids=str,
)
def test_no_whole_step_of_the_five_waits_and_each_is_the_same_operations(
    name: str, more: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    """On tensors without values, of which torch computes nothing and refuses to tell any."""
    optimize_as_on_gpu(monkeypatch)
    optimizers = ["adamw", "sgd"] if name == "faster_rcnn" else ["muon", "adamw", "sgd"]  # Muon is for classifiers
    trial = make_trial(name, optimizer=optimizers[0], batch_size=8, **more)
    data = load_training(trial.data)
    built = build(trial.job.model, data.shape)
    trainer = make_trainer(trial.job, built, data.train, device=torch.device("cpu"), precision="fp32", seed=1)
    trainer.graphed = False
    loss_of, batch = taken(trainer, monkeypatch)
    for optimizer in optimizers:
        done: list[list[tuple[object, ...]]] = []
        with FakeTensorMode(allow_non_fake_inputs=True):
            stage, empty = fakes(trainer, replace(trainer.config, optimizer=optimizer), batch)
            for _ in range(4):
                with Waits() as counted, Operations() as operations:
                    stage._update(loss_of, empty)  # what a graph records
                stage.optimizer.advance()
                done.append(operations.done)
                assert counted.found == {}
        assert all(group["lr"].shape == () for one in stage.optimizer.optimizers for group in one.param_groups)
        assert len(done[1]) > 30
        assert done[1] == done[2] == done[3]  # the first makes the optimiser's state
