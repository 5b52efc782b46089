"""Who moves which weights, and how far: against torch's own optimisers, and by hand."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from lab2.spec.job import TrainConfig
from lab2.train.muon import Muon, orthogonalise
from lab2.train.optimizer import OneCycle, groups

SHAPES = ((20, 20), (80, 20), (20, 80), (20, 20), (8, 3, 5, 5))


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
    theirs = [nn.Parameter(p.detach().flatten(1).clone()) for p in ours]  # torch's takes no convolution
    mine = Muon([{"params": ours, "lr": 0.01, "weight_decay": 0.1}])
    reference = torch.optim.Muon(theirs, lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    started = [p.detach().clone() for p in ours]
    for _ in range(5):
        for p, q in zip(ours, theirs, strict=True):
            p.grad = torch.randn(p.shape, generator=generator)
            q.grad = p.grad.flatten(1).clone()
        mine.step()
        reference.step()
    for before, p, q in zip(started, ours, theirs, strict=True):
        moved = (p - before).abs().mean()
        assert (p.flatten(1) - q).abs().mean() < 0.02 * moved  # torch's iterates in bf16, of 8 bits


def network() -> nn.Sequential:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 6), nn.Linear(6, 5), nn.Linear(5, 2))


def train(model: nn.Module, cycle: OneCycle, steps: int, *, first: int = 0) -> None:
    for number in range(first, first + steps):
        images = torch.randn(8, 4, generator=torch.Generator().manual_seed(number))
        cycle.step(model(images).square().mean())


def test_muon_has_the_hidden_matrices_and_adamw_the_rest():
    model = network()
    cycle = OneCycle(groups(model, TrainConfig(optimizer="muon")), TrainConfig(optimizer="muon"), 10)
    muon, rest = ({id(p) for g in o.param_groups for p in g["params"]} for o in cycle.optimizers)
    assert muon == {id(model[1].weight), id(model[2].weight)}
    assert rest == {id(p) for p in model.parameters()} - muon


def test_a_network_without_hidden_matrices_is_adamws():
    model = nn.Linear(4, 2)
    config = TrainConfig(optimizer="muon")
    assert [type(o) for o in OneCycle(groups(model, config), config, 10).optimizers] == [torch.optim.AdamW]


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "muon"])
def test_each_goes_on_from_where_it_was_left(optimizer: str):
    config = TrainConfig(optimizer=optimizer, learning_rate=1e-2)  # type: ignore[arg-type]  # one of the literal's words
    whole, broken = network(), network()
    cycle = OneCycle(groups(whole, config), config, 10)
    train(whole, cycle, 10)
    begun = OneCycle(groups(broken, config), config, 10)
    train(broken, begun, 4)
    resumed = network()
    resumed.load_state_dict(broken.state_dict())
    other = OneCycle(groups(resumed, config), config, 10)
    other.restore(copy.deepcopy(begun.state()))
    train(resumed, other, 6, first=4)
    for p, q in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(p, q)
