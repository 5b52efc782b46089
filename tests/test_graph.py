"""Steps as CUDA graphs: on a GPU the same bits as without; elsewhere torch's graphs are stood in for."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lab2.data.datasets import load_training
from lab2.errors import TrainingError
from lab2.measure.hardware import make_repeatable
from lab2.measure.out_of_memory import ran_out_of_memory
from lab2.models.building import build
from lab2.models.imported import ImportedConfig
from lab2.models.network import NetworkConfig
from lab2.spec.recipe import TrainConfig
from lab2.train import make_trainer
from lab2.train.graph import EAGER_STEPS, GraphedSteps
from lab2.train.optimizer import OneCycle, groups
from lab2.train.stage import Stage
from lab2.train.trainer import Trainer
from tests.as_on_gpu import Recorder, graphs_stood_in
from tests.conftest import make_trial

CPU = torch.device("cpu")


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    return graphs_stood_in(monkeypatch)


def twice(x: Tensor) -> Tensor:
    return 2 * x


def test_the_first_steps_are_eager_and_each_later_one_is_a_replay_on_its_own_inputs(recorder: Recorder):
    steps = GraphedSteps(CPU)
    losses = [steps.step(recorder.update, twice, (torch.tensor(float(n)),))[0] for n in range(5)]
    assert recorder.calls == [*["eager"] * EAGER_STEPS, "recorded", *["replayed"] * (5 - EAGER_STEPS)]
    assert [loss.item() for loss in losses] == [0, 2, 4, 6, 8]  # none was written over by a later step


def test_a_step_that_waits_is_never_recorded_and_that_is_said_once(
    recorder: Recorder, caplog: pytest.LogCaptureFixture
):
    """A recording that fails may leave torch's allocator as if it went on."""

    def waiting(x: Tensor) -> Tensor:
        return 2 * x if x.item() >= 0 else x

    steps = GraphedSteps(CPU)
    losses = [steps.step(recorder.update, waiting, (torch.tensor(float(n)),))[0].item() for n in range(5)]
    assert losses == [0, 2, 4, 6, 8]
    assert recorder.calls == ["eager"] * 5
    assert not steps.recorded
    (warning,) = caplog.messages
    assert (
        warning == "a training step waits for the GPU (aten::_local_scalar_dense 1), so no CUDA graph of it is recorded"
    )


@pytest.mark.parametrize("ending_fails", [False, True])
def test_a_recording_that_fails_ends_the_trial_and_says_what_to_set(recorder: Recorder, ending_fails: bool):
    """Nothing more is computed: what torch's allocator then holds is not documented."""
    recorder.error, recorder.ending_fails = "operation not permitted when stream is capturing\nMore.", ending_fails
    steps = GraphedSteps(CPU)
    with pytest.raises(TrainingError) as failed:
        for n in range(5):
            steps.step(recorder.update, twice, (torch.tensor(float(n)),))
    assert recorder.calls == ["eager"] * EAGER_STEPS
    assert str(failed.value) == (
        "the training step cannot be recorded as a CUDA graph: operation not permitted when stream is capturing; "
        "--set train.cuda_graph=off launches each kernel instead"
    )


@pytest.mark.parametrize("ending_fails", [False, True])
def test_a_recording_that_runs_out_of_memory_is_no_step_that_cannot_be_recorded(recorder: Recorder, ending_fails: bool):
    recorder.error, recorder.ending_fails = "CUDA error: out of memory", ending_fails
    steps = GraphedSteps(CPU)
    with pytest.raises(RuntimeError) as failed:
        for n in range(5):
            steps.step(recorder.update, twice, (torch.tensor(float(n)),))
    assert ran_out_of_memory(failed.value)
    assert not isinstance(failed.value, TrainingError)


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
