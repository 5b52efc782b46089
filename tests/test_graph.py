"""Steps as CUDA graphs: on a GPU the same bits as without; elsewhere torch's graphs are stood in for.

The stand-in repeats what was recorded by calling the recorded function again on the same tensors, as a graph does.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lab2.data.datasets import load_training
from lab2.measure.hardware import make_repeatable
from lab2.models.building import build
from lab2.models.imported import ImportedConfig
from lab2.models.network import NetworkConfig
from lab2.spec.recipe import TrainConfig
from lab2.train import make_trainer
from lab2.train.graph import EAGER_STEPS, GraphedSteps
from lab2.train.optimizer import OneCycle, groups
from lab2.train.stage import Stage
from lab2.train.trainer import Trainer
from tests.conftest import make_trial

CPU = torch.device("cpu")


class Graph:
    """Stands in for `torch.cuda.CUDAGraph`."""

    def __init__(self) -> None:
        self.recorded: Callable[[], object] = lambda: None

    def replay(self) -> None:
        self.recorded()


class Recorder:
    """An update that multiplies its input by a weight; while it is recorded nothing is computed."""

    def __init__(self) -> None:
        self.recording: Graph | None = None
        self.calls: list[str] = []
        self.fails = False

    @contextmanager
    def graph(self, graph: Graph, stream: object) -> Iterator[None]:  # torch's signature
        self.recording = graph
        try:
            yield
        finally:
            self.recording = None

    def update(self, loss_of: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        if self.recording is None:
            self.calls.append("eager")
            return loss_of(*inputs), torch.zeros(())
        if self.fails:
            self.recording = None
            raise RuntimeError("operation not permitted when stream is capturing")
        self.calls.append("recorded")
        outputs = torch.zeros(()), torch.zeros(())

        def again() -> None:
            self.calls.append("replayed")
            outputs[0].copy_(loss_of(*inputs))

        self.recording.recorded = again
        return outputs


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()

    class Stream:
        def wait_stream(self, other: Any) -> None: ...

    @contextmanager
    def on(stream: Stream) -> Iterator[None]:
        yield

    monkeypatch.setattr(torch.cuda, "Stream", lambda _: Stream())
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: Stream())
    monkeypatch.setattr(torch.cuda, "set_stream", lambda _: None)
    monkeypatch.setattr(torch.cuda, "stream", on)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", recorder.graph)
    return recorder


def twice(x: Tensor) -> Tensor:
    return 2 * x


def test_the_first_steps_are_eager_and_each_later_one_is_a_replay_on_its_own_inputs(recorder: Recorder):
    steps = GraphedSteps([], CPU)
    losses = [steps.step(recorder.update, twice, (torch.tensor(float(n)),))[0] for n in range(5)]
    assert recorder.calls == [*["eager"] * EAGER_STEPS, "recorded", *["replayed"] * (5 - EAGER_STEPS)]
    assert [loss.item() for loss in losses] == [0, 2, 4, 6, 8]  # none was written over by a later step


def test_a_step_that_cannot_be_recorded_stays_eager_and_that_is_said(
    recorder: Recorder, caplog: pytest.LogCaptureFixture
):
    recorder.fails = True
    steps = GraphedSteps([], CPU)
    losses = [steps.step(recorder.update, twice, (torch.tensor(float(n)),))[0].item() for n in range(5)]
    assert losses == [0, 2, 4, 6, 8]
    assert recorder.calls == ["eager"] * 5
    assert caplog.text.count("cannot be recorded as a CUDA graph") == 1
    assert "operation not permitted" in caplog.text


class WaitsInBackward(torch.autograd.Function):
    """Its gradient cannot be recorded."""

    recorder: Recorder

    @staticmethod
    def forward(_ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(_ctx: Any, gradient: Tensor) -> Tensor:
        if WaitsInBackward.recorder.recording is not None:
            raise RuntimeError("operation not permitted when stream is capturing")
        return gradient


def test_what_a_failed_recording_has_begun_does_not_count(recorder: Recorder):
    WaitsInBackward.recorder = recorder

    def trained(*, graphed: bool) -> list[float]:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 3))
        config = TrainConfig(optimizer="sgd", learning_rate=0.1, batch_size=10)
        stage = Stage(groups(model, config), config, images=100, epochs=1, generator=torch.Generator())
        stage.optimizer.device = torch.device("cuda")  # gradients become None, as on a GPU
        if graphed:
            stage._graph = GraphedSteps(stage.optimizer.parameters, CPU)

        def loss_of(images: Tensor) -> Tensor:
            loss: Tensor = model[1](WaitsInBackward.apply(model[0](images))).square().mean()
            return loss

        return [stage.step(loss_of, torch.full((10, 4), n + 1.0)).gradient_norm.item() for n in range(6)]

    assert trained(graphed=True) == trained(graphed=False)


def test_a_stage_is_freed_with_its_last_reference():
    """Without waiting for the garbage collector: its optimiser is as large as the network."""
    model = nn.Linear(4, 3)
    stage = Stage(groups(model, TrainConfig()), TrainConfig(), images=100, epochs=1, generator=torch.Generator())
    optimizer = weakref.ref(stage.optimizer)
    gc.disable()
    try:
        del stage
        assert optimizer() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("name", ["cnn", "faster_rcnn"])
def test_a_step_that_is_thrown_away_leaves_nothing_behind(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda _: torch.tensor([1]))
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda *_: None)

    def trained(*, warmed_up: bool) -> dict[str, Tensor]:
        make_repeatable(1)
        trial = make_trial(name)
        data = load_training(trial.data)
        built = build(trial.job.model, data.shape)
        trainer = make_trainer(trial.job, built, data.train, device=CPU, precision="fp32", seed=1)
        if warmed_up:
            trainer.device = torch.device("cuda")  # what decides whether it is done; all else stays on the CPU
            before = torch.get_rng_state()
            trainer.warm_up()
            assert torch.equal(torch.get_rng_state(), before)
            trainer.device = CPU
            assert (trainer.trained_parameters, trainer.stage_name) == (0, "")
        for _ in trainer.fit():
            pass
        return trainer.model.state_dict()

    one, other = trained(warmed_up=False), trained(warmed_up=True)
    assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize(
    ("asked", "model", "graphed"),
    [
        ("auto", NetworkConfig(name="torchvision:resnet18"), True),
        ("auto", NetworkConfig(name="timm:vit_tiny_patch16_224"), True),
        ("auto", NetworkConfig(name="my/net.py:Net"), False),
        ("auto", ImportedConfig(network="my.package:Net"), False),
        ("on", NetworkConfig(name="my/net.py:Net"), True),
        ("off", NetworkConfig(name="torchvision:resnet18"), False),
    ],
)
def test_networks_of_the_users_are_graphed_only_where_that_is_asked(asked: str, model: Any, graphed: bool):
    trial = make_trial("cnn", cuda_graph=asked)
    data = load_training(trial.data)
    built = build(trial.job.model, data.shape)
    trainer = make_trainer(replace(trial.job, model=model), built, data.train, device=CPU, precision="fp32", seed=1)
    assert trainer.graphed == graphed
    assert trainer.warmed_up == (not model.is_users_code)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "muon"])
def test_a_learning_rate_that_is_a_tensor_moves_the_weights_alike(optimizer: Any):
    """On a GPU rates are tensors, which schedules overwrite. In float32, so not bit for bit."""
    weights = []
    for device in ("cpu", "cuda"):
        torch.manual_seed(1)
        model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
        config = TrainConfig(optimizer=optimizer, weight_decay=0.1, learning_rate=0.1)
        cycle = OneCycle(groups(model, config), config, 10)
        cycle.device = torch.device(device)
        if device == "cuda":
            for group in (group for one in cycle.optimizers for group in one.param_groups):
                group["lr"] = torch.as_tensor(group["lr"], dtype=torch.float32)
        rates = [group["lr"] for one in cycle.optimizers for group in one.param_groups]
        for n in range(8):
            cycle.update(model(torch.ones(2, 4) * n).square().mean())
            cycle.advance()
        if device == "cuda":  # a graph reads these same tensors
            now = [group["lr"] for one in cycle.optimizers for group in one.param_groups]
            assert all(one is other for one, other in zip(rates, now, strict=True))
        weights.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    assert torch.allclose(weights[0], weights[1], rtol=1e-5, atol=1e-6)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU: that a graph changes no bit is NOT tested here")
@pytest.mark.parametrize("name", ["cnn", "vit", "alexnet", "vgg16", "faster_rcnn"])
def test_a_graph_changes_no_bit(name: str):
    def trained(graph: str) -> Trainer:
        trial = make_trial(name, cuda_graph=graph)
        make_repeatable(1)
        data = load_training(trial.data)
        built = build(trial.job.model, data.shape)
        trainer = make_trainer(trial.job, built, data.train, device=torch.device("cuda"), precision="fp32", seed=1)
        trainer.warm_up()
        assert sum(1 for _ in trainer.fit()) > EAGER_STEPS
        return trainer

    states = [trained(graph).model.state_dict() for graph in ("on", "off")]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
