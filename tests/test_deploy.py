"""A deployed network gives the same answers, bit for bit, and computes nothing twice."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from lab2.data.datasets import load_training
from lab2.models.building import build
from lab2.models.building.deploy import deploy
from lab2.models.cnn import CNNConfig
from lab2.models.layers.conv3x3 import Conv3x3, LinearCells
from lab2.models.layers.pooled_linear import PooledLinear
from lab2.models.layers.transformer import Block
from lab2.spec.recipe import Precision
from lab2.train import make_trainer
from lab2.train.precision import dtype_of
from lab2.train.trainer import Trainer
from tests.conftest import SMALL, TINY, make_trial

CPU = torch.device("cpu")


class OfWeightsAlone(TorchDispatchMode):
    """Sees which operations take weights and no image: they could have been done before."""

    VIEWS = frozenset("detach t transpose view expand alias unsqueeze permute squeeze slice as_strided".split())

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.weights = {p.data_ptr() for p in model.parameters()}
        self.seen: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        flat = [x for x in torch.utils._pytree.tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
        out = func(*args, **(kwargs or {}))
        if flat and all(x.data_ptr() in self.weights for x in flat) and func.overloadpacket.__name__ not in self.VIEWS:
            self.seen.append(func.name())
        return out


def trainer_of(name: str, precision: Precision) -> Trainer:
    data = load_training(SMALL)
    torch.manual_seed(0)
    model = replace(TINY[name], batch_norm=True) if isinstance(TINY[name], CNNConfig) else TINY[name]
    job = make_trial(name, model=model).job
    made = make_trainer(
        job, build(model, data.shape), data.train, device=torch.device("cpu"), precision=precision, seed=1
    )
    made.model.eval()
    return made


@pytest.mark.parametrize(("name", "precision"), [
    *((name, "fp32") for name in TINY), *((name, "bf16") for name in ("cnn", "vit", "alexnet", "vgg16")),
])  # fmt: skip
@torch.inference_mode()
def test_the_same_bits_and_nothing_of_the_weights_alone(name: str, precision: Precision):
    made = trainer_of(name, precision)
    images = torch.from_numpy(load_training(SMALL).train.pixels[:20])
    before = made.infer(images)
    with OfWeightsAlone(made.model) as undeployed:
        made.infer(images[:1])
    deploy(made.model, made.infer, images, dtype_of(precision))
    after = made.infer(images)
    if isinstance(before, torch.Tensor):
        assert isinstance(after, torch.Tensor)
        assert torch.equal(before, after)
    else:  # a detector's boxes, labels and scores
        assert isinstance(before, list)
        assert isinstance(after, list)
        assert all(torch.equal(a[key], b[key]) for a, b in zip(before, after, strict=True) for key in a)
    with OfWeightsAlone(made.model) as deployed:
        made.infer(images[:1])
    assert deployed.seen == []
    if name in ("vit", "alexnet", "vgg16") or precision == "bf16":
        assert undeployed.seen  # what the test looks for, it finds


def test_a_layer_that_inference_does_not_reach_stays():
    model = nn.Sequential(PooledLinear(4, 3))
    model.aside = PooledLinear(4, 3)
    deploy(model, lambda images: model[0](images.float()), torch.ones(2, 4, 1, 1), torch.float32)
    assert not isinstance(model[0], PooledLinear)
    assert isinstance(model.aside, PooledLinear)


@pytest.mark.slow
def test_what_is_replaced_by_what():
    images = torch.from_numpy(load_training(SMALL).train.pixels[:2])
    vgg = trainer_of("vgg16", "bf16")
    deploy(vgg.model, vgg.infer, images, torch.bfloat16)
    layers = list(vgg.model.modules())
    assert not any(isinstance(layer, PooledLinear) for layer in layers)
    assert sum(isinstance(layer, LinearCells) for layer in layers) == 3  # the last block sees maps of 2 x 2
    assert {p.dtype for p in vgg.model.parameters()} == {torch.bfloat16}
    vit = trainer_of("vit", "fp32")
    deploy(vit.model, vit.infer, images, torch.float32)
    assert [layer.norm1.weight for layer in vit.model.modules() if isinstance(layer, Block)] == [None]


class ReadsItsWeights(nn.Module):
    """Standardises the weights of its convolution itself, calls its head, and reads the head's weights too."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, 4, 3)
        self.head = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = self.convolution.weight
        weight = (weight - weight.mean((1, 2, 3), keepdim=True)) / weight.std((1, 2, 3), keepdim=True)
        x = F.conv2d(x, weight, self.convolution.bias).mean((2, 3))
        return self.head(x) + F.linear(x, F.normalize(self.head.weight))  # type: ignore[no-any-return]


class Attends(nn.Module):
    """torch's own encoder layer, whose fast path reads all weights itself."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2)
        self.head = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.encoder(x.flatten(1).view(len(x), -1, 8)).mean(1))  # type: ignore[no-any-return]


class Bare(nn.Module):
    """A linear map by a parameter that no layer holds."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(3, 64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x.flatten(1), self.weight)


class SeesTwoSizes(nn.Module):
    """One convolution on maps of 4 x 4 and of 2 x 2."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 48, 2, stride=2)
        self.shared = Conv3x3(48, 48)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.shared(self.first(x))
        return self.shared(F.max_pool2d(x, 2)).mean((2, 3))  # type: ignore[no-any-return]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("network", [ReadsItsWeights, Attends, SeesTwoSizes], ids=lambda network: network.__name__)
@torch.inference_mode()
def test_a_network_that_cannot_be_changed_is_left_as_it_was(network: type[nn.Module], dtype: torch.dtype):
    torch.manual_seed(0)
    model, images = network().eval(), torch.rand(9, 1, 8, 8)

    def infer(images: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", dtype=None if dtype == torch.float32 else dtype, enabled=dtype != torch.float32):
            return model(images)  # type: ignore[no-any-return]

    before = infer(images)
    deploy(model, infer, images, dtype)
    assert torch.equal(infer(images), before)


def test_weights_that_are_left_are_cast_once_all_the_same():
    """Also those of a parameter that no layer of torch's own holds."""
    torch.manual_seed(0)
    model, images = Bare(), torch.rand(2, 1, 8, 8)

    def infer(images: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return model(images)  # type: ignore[no-any-return]

    deploy(model, infer, images, torch.bfloat16)
    with torch.inference_mode(), OfWeightsAlone(model) as seen:
        infer(images[:1])
    assert seen.seen == []
