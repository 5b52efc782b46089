"""A deployed network gives the same answers, bit for bit, and computes nothing twice."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from lab2.data.datasets import load_training
from lab2.models import build
from lab2.models.conv3x3 import LinearCells
from lab2.models.deploy import deploy
from lab2.models.transfer import PooledLinear
from lab2.models.vit import ViT
from lab2.spec.architectures import CNNConfig
from lab2.spec.job import Precision
from lab2.train import trainer
from lab2.train.precision import dtype_of
from lab2.train.trainer import Trainer
from tests.conftest import SMALL, TINY, make_trial


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


def learner(name: str, precision: Precision) -> Trainer:
    data = load_training(SMALL)
    torch.manual_seed(0)
    model = replace(TINY[name], batch_norm=True) if isinstance(TINY[name], CNNConfig) else TINY[name]
    job = make_trial(name, model=model).job
    made = trainer(job, build(model, data.shape), data.train, device=torch.device("cpu"), precision=precision, seed=1)
    made.model.eval()
    return made


@pytest.mark.parametrize(("name", "precision"), [
    *((name, "fp32") for name in TINY), *((name, "bf16") for name in ("cnn", "vit", "alexnet", "vgg16")),
])  # fmt: skip
@torch.inference_mode()
def test_the_same_bits_and_nothing_of_the_weights_alone(name: str, precision: Precision):
    made = learner(name, precision)
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


def test_what_is_replaced_by_what():
    images = torch.from_numpy(load_training(SMALL).train.pixels[:2])
    vgg = learner("vgg16", "bf16")
    deploy(vgg.model, vgg.infer, images, torch.bfloat16)
    layers = list(vgg.model.modules())
    assert not any(isinstance(layer, PooledLinear) for layer in layers)
    assert sum(isinstance(layer, LinearCells) for layer in layers) == 3  # the last block sees maps of 2 x 2
    assert {p.dtype for p in vgg.model.parameters()} == {torch.bfloat16}
    vit = learner("vit", "fp32")
    deploy(vit.model, vit.infer, images, torch.float32)
    assert isinstance(vit.model, ViT)
    assert [block.norm1.weight for block in vit.model.blocks] == [None]
