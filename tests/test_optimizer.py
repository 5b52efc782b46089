"""Who moves which weights, and how far: against torch's own optimisers, and by hand."""

from __future__ import annotations

import io

import pytest
import torch
from torch import nn

from lab2.spec.job import TrainConfig
from lab2.train.muon import Muon, orthogonalise
from lab2.train.optimizer import Group, OneCycle, groups, outer_layers
from lab2.train.precision import autocast

SHAPES = ((20, 20), (80, 20), (20, 80), (20, 20), (8, 3, 5, 5), (64, 3, 3, 3))


@pytest.mark.parametrize("shape", [(6, 6), (6, 24), (24, 6)])
def test_orthogonalised_matrices_keep_their_directions_and_lose_their_lengths(shape: tuple[int, int]):
    matrices = torch.randn(3, *shape, generator=torch.Generator().manual_seed(1))
    for before, after in zip(matrices, orthogonalise(matrices), strict=True):
        u, _, v = torch.linalg.svd(before, full_matrices=False)
        inside = u.T @ after @ v.T  # diagonal, where the directions are the same
        assert inside.diagonal().min() > 0.3  # the iteration is content with about 1
        assert inside.diagonal().max() < 1.3
        assert (inside - inside.diagonal().diag()).abs().max() < 1e-3


def test_muon_steps_as_torchs_does():
    generator = torch.Generator().manual_seed(2)
    ours = [nn.Parameter(torch.randn(shape, generator=generator)) for shape in SHAPES]
    ours[-1].data = ours[-1].data.to(memory_format=torch.channels_last)  # as the trainers hold convolutions
    theirs = [nn.Parameter(p.detach().flatten(1).clone()) for p in ours]  # torch's takes no convolution
    mine = Muon([{"params": ours, "lr": 0.01, "weight_decay": 0.1}])
    reference = torch.optim.Muon(theirs, lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    started = [p.detach().clone() for p in ours]
    for _ in range(5):
        for p, q in zip(ours, theirs, strict=True):
            gradient = torch.randn(p.shape, generator=generator)
            p.grad = torch.empty_like(p).copy_(gradient)
            q.grad = gradient.flatten(1)
        mine.step()
        reference.step()
    for before, p, q in zip(started, ours, theirs, strict=True):
        moved = (p - before).abs().mean()
        assert (p.flatten(1) - q).abs().mean() < 0.02 * moved  # torch's iterates in bf16, of 8 bits


class Tokens(nn.Module):
    """A tiny network with what must not be taken for a layer: a token and positions of the first axis 1."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.positions = nn.Parameter(torch.randn(1, 3, 4))
        self.layers = nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 6), nn.Linear(6, 5), nn.Linear(5, 2))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.layers(images + self.positions.sum(1))
        return logits


def step(cycle: OneCycle, loss: torch.Tensor) -> torch.Tensor:
    norm = cycle.update(loss)
    cycle.advance()
    return norm


def train(model: nn.Module, cycle: OneCycle, steps: int, *, first: int = 0, precision: str = "fp32") -> None:
    for number in range(first, first + steps):
        images = torch.randn(8, 4, generator=torch.Generator().manual_seed(number))
        with autocast(torch.device("cpu"), precision):
            answers = model(images)
        step(cycle, answers.float().square().mean())


def test_muon_has_the_hidden_matrices_and_adamw_the_rest():
    model = Tokens()
    config = TrainConfig(optimizer="muon", weight_decay=0.3)
    cycle = OneCycle(groups(model, config), config, 10, outer=outer_layers(model, torch.rand(2, 4)))
    muon, rest = ({p for g in o.param_groups for p in g["params"]} for o in cycle.optimizers)
    assert muon == {model.layers[1].weight, model.layers[2].weight}
    assert rest == set(model.parameters()) - muon
    decaying = {p for o in cycle.optimizers for g in o.param_groups if g["weight_decay"] for p in g["params"]}
    assert decaying == {layer.weight for layer in model.layers}


class HeadFirst(nn.Module):
    """Defines its layers in another order than that in which they run."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(6, 3)
        self.normalise = nn.BatchNorm1d(6)
        self.drop = nn.Dropout(0.5)
        self.hidden = nn.Linear(6, 6)
        self.embed = nn.Linear(4, 6)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.drop(self.normalise(self.hidden(self.embed(images)))))
        return logits


def test_the_first_and_the_last_layer_are_those_that_run_first_and_last():
    model = HeadFirst()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    images, random = torch.rand(1, 4), torch.get_rng_state()
    assert outer_layers(model, images) == {model.embed.weight, model.head.weight}
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    assert not model.embed._forward_pre_hooks


def test_a_network_without_hidden_matrices_is_adamws():
    model = nn.Linear(4, 2)
    config = TrainConfig(optimizer="muon")
    cycle = OneCycle(groups(model, config), config, 10, outer={model.weight})
    assert [type(optimizer) for optimizer in cycle.optimizers] == [torch.optim.AdamW]


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "muon"])
def test_each_goes_on_from_where_it_was_left(optimizer: str, precision: str):
    config = TrainConfig(optimizer=optimizer, learning_rate=1e-2)
    whole, broken = Tokens(), Tokens()
    cycle = OneCycle(groups(whole, config), config, 10, precision=precision)
    train(whole, cycle, 10, precision=precision)
    begun = OneCycle(groups(broken, config), config, 10, precision=precision)
    train(broken, begun, 4, precision=precision)
    resumed = Tokens()
    resumed.load_state_dict(broken.state_dict())
    other = OneCycle(groups(resumed, config), config, 10, precision=precision)
    file = io.BytesIO()
    torch.save(begun.state(), file)
    file.seek(0)
    other.restore(torch.load(file, weights_only=True))
    train(resumed, other, 6, first=4, precision=precision)
    for p, q in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(p, q)
    assert other.scaler.state_dict() == cycle.scaler.state_dict()


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_step_says_how_long_the_gradient_was_before_it_was_clipped(precision: str):
    weight = nn.Parameter(torch.zeros(2))
    cycle = OneCycle([moved(weight)], TrainConfig(optimizer="sgd"), 10, precision=precision)
    assert step(cycle, weight @ torch.tensor([3.0, 4.0])).item() == 5  # unscaled
    assert not cycle.skipped


def moved(*parameters: nn.Parameter) -> Group:
    return {"params": list(parameters), "lr": 0.1, "max_lr": 0.1, "weight_decay": 0.3}


class TestScaledLoss:
    """fp16 ends at 65,504."""

    @pytest.mark.parametrize("optimizer", ["adamw", "sgd", "muon"])
    def test_a_step_that_overflows_is_left_out_and_the_scale_halved(self, optimizer: str):
        model = Tokens()
        config = TrainConfig(optimizer=optimizer)
        cycle = OneCycle(groups(model, config), config, 10, precision="fp16")
        assert cycle.scaler.get_scale() == 65_536
        before = [p.detach().clone() for p in model.parameters()]
        rates = [schedule.get_last_lr() for schedule in cycle.schedules]
        # One of many gradients overflows: nothing moves, not even what another optimiser moves.
        hook = model.layers[3].bias.register_hook(lambda gradient: gradient * torch.inf)
        train(model, cycle, 1, precision="fp16")
        assert cycle.skipped
        assert cycle.scaler.get_scale() == 32_768
        assert all(torch.equal(p, q) for p, q in zip(model.parameters(), before, strict=True))
        assert all(not p.grad.any() for p in model.parameters())
        assert [schedule.get_last_lr() for schedule in cycle.schedules] == rates
        hook.remove()
        train(model, cycle, 1, first=1, precision="fp16")
        assert not cycle.skipped
        assert cycle.scaler.get_scale() == 32_768
        assert not any(torch.equal(p, q) for p, q in zip(model.parameters(), before, strict=True))

    def test_the_scale_falls_until_the_gradient_fits(self):
        weight = nn.Parameter(torch.zeros(1))
        cycle = OneCycle([moved(weight)], TrainConfig(optimizer="sgd"), 10, precision="fp16")
        skipped = []
        while not weight.any():
            step(cycle, (weight.half() * 30).sum())  # 30 times 65,536, 32,768, ... 2,048 is more than 65,504 can hold
            skipped.append(cycle.skipped)
        assert skipped == [True] * 5 + [False]
        assert cycle.scaler.get_scale() == 2048

    def test_a_gradient_that_fits_at_no_scale_is_not_the_scales_fault(self):
        weight = nn.Parameter(torch.ones(1))
        cycle = OneCycle([moved(weight)], TrainConfig(optimizer="sgd"), 30, precision="fp16")
        skipped = []
        for _ in range(20):
            norm = step(cycle, (weight * torch.inf).sum())
            skipped.append(cycle.skipped)
            assert not norm.isfinite()
        assert skipped == [True] * 17 + [False] * 3  # at 2^16, 2^15, ... 1, and then below
        assert weight.item() == 1
