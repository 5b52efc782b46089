"""FLOPs: by hand, against torchvision's own record, and what is not counted has a name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from lab2.measure.cost import count_parameters
from lab2.measure.flops import Flops, count_flops, flops_per_image
from lab2.models.building import build
from lab2.models.faster_rcnn import FasterRCNNConfig
from lab2.spec.architectures import ImportedConfig
from lab2.trial import run_trial
from tests.conftest import make_run, make_trial
from tests.test_models import DIGITS, FULL

MODELS: Any = torchvision.models  # its names are passed on without a word to type checkers
CLASSIFIERS = MODELS.list_models(MODELS)


class Small(nn.Module):
    """One convolution, one attention, one linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.head = nn.Linear(4, 3)

    def forward(self, images: Tensor) -> Tensor:
        x = self.conv(images).flatten(2).transpose(1, 2)  # (B, 16, 4) of (B, 1, 6, 6)
        logits: Tensor = self.head(self.attention(x, x, x)[0].mean(1))
        return logits


CONVOLUTION = 2 * (4 * 4) * 9 * 4
ATTENTION = 2 * (16 * 4 * 12 + 16 * 16 * 4 + 16 * 16 * 4 + 16 * 4 * 4)  # in, Q by K, weights by V, out
BY_HAND = CONVOLUTION + ATTENTION + 2 * 4 * 3


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("training", [True, False])
def test_a_convolution_an_attention_and_a_linear_layer_by_hand(device: str, training: bool):
    model = Small().to(device).train(training)
    assert flops_per_image(model, torch.rand(1, 1, 6, 6, device=device)) == Flops(BY_HAND)


@pytest.mark.parametrize(
    "attention",
    [
        lambda x: F.scaled_dot_product_attention(x, x, x),
        lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True),
        lambda x: (x @ x.transpose(-2, -1)).softmax(-1) @ x,
    ],
    ids=["fused", "causal", "written out"],
)
def test_attention_costs_the_same_however_it_is_computed(attention):
    assert count_flops(attention, torch.rand(1, 2, 5, 8)) == Flops(2 * 2 * (5 * 5 * 8 + 5 * 5 * 8))


def test_a_transformers_layer_by_hand_which_eval_makes_one_kernel():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    by_hand = 2 * (5 * 8 * 24 + 2 * 5 * 5 * 8 + 5 * 8 * 8 + 2 * 5 * 8 * 16)
    assert count_flops(layer, torch.rand(1, 5, 8)) == Flops(by_hand)


@pytest.mark.parametrize(
    ("product", "by_hand"),
    [
        (lambda x: x @ x[0], 2 * 30 * 30),
        (lambda x: x[0] @ x[0], 2 * 30),
        (lambda x: torch.addmv(x[0], x, x[0]), 2 * 30 * 30),
        (lambda x: torch.addbmm(x, x.expand(4, 30, 30), x.expand(4, 30, 30)), 2 * 4 * 30**3),
        (lambda x: torch.einsum("ij,jk->ik", x, x), 2 * 30**3),
        (lambda x: torch.mul(x, x).sum(0).relu() / x.norm(), 0),
    ],
    ids=["matrix by vector", "vectors", "added", "batch added up", "einsum", "no product"],
)
def test_other_products_by_hand(product, by_hand: int):
    assert count_flops(product, torch.rand(30, 30)) == Flops(by_hand)


def test_what_is_made_of_weights_alone_is_not_of_an_image():
    linear = nn.Linear(6, 3)
    found = flops_per_image(lambda images: F.linear(images, linear.weight @ torch.ones(6, 6)), torch.rand(1, 6))
    assert found == Flops(2 * 6 * 3)


class Recurrent(nn.Module):
    """A row of the image after another."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(6, 5, batch_first=True)
        self.head = nn.Linear(5, 3)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.lstm(images[:, 0])[0][:, -1])
        return logits


@pytest.mark.parametrize(
    ("forward", "expected"),
    [
        (lambda x: torch.fft.rfft2(x).abs(), Flops(0, ("aten::_fft_r2c",))),
        (Recurrent(), Flops(2 * 5 * 3, ("aten::mkldnn_rnn_layer",))),
        (
            lambda x: torchvision.ops.deform_conv2d(x, torch.zeros(len(x), 18, 4, 4), torch.ones(2, 1, 3, 3)),
            Flops(0, ("torchvision::deform_conv2d",)),
        ),
        (lambda x: torch.cdist(x, x), Flops(0, ("aten::_cdist_forward",))),
    ],
    ids=["fft", "LSTM", "deformable convolution", "distances"],
)
def test_what_is_not_counted_is_named(forward, expected: Flops):
    assert flops_per_image(forward, torch.rand(1, 1, 6, 6)) == expected


def test_a_network_that_cannot_be_watched_costs_no_training():
    """Such as one with flex_attention, which refuses to run under any dispatch mode."""

    def forward(images: Tensor) -> Tensor:
        product = images @ images
        raise RuntimeError("not while I am watched")
        return product

    assert count_flops(forward, torch.rand(16, 16)) == Flops(2 * 16**3, ("all after RuntimeError",))


def test_a_trial_says_what_is_not_counted(tmp_path: Path):
    (tmp_path / "net.py").write_text(
        "import torch\n"
        "class Net(torch.nn.Module):\n"
        "    def __init__(self, num_classes):\n"
        "        super().__init__()\n"
        "        self.head = torch.nn.Linear(3 * 28 * 15, num_classes)\n"
        "    def forward(self, images):\n"
        "        return self.head(torch.fft.rfft2(images.float()).abs().flatten(1))\n"
    )
    trial = make_trial("ours", model=ImportedConfig(network=f"{tmp_path}/net.py:Net"))
    shard = run_trial(trial, make_run(tmp_path, trial), device="cpu")
    assert (shard.status, shard.reason) == ("ok", "")
    assert (shard.flops_per_image, shard.flops_uncounted) == (2 * 3 * 28 * 15 * 10, "aten::_fft_r2c")


def test_a_module_may_be_given_a_view_of_a_parameter():
    """torch's own `FlopCounterMode` fails then, where no gradients are kept: timm's CaiT does so."""
    layer, token = nn.Linear(4, 3), nn.Parameter(torch.rand(1, 4))
    assert count_flops(lambda x: layer(token.expand(len(x), 4)), torch.rand(2)) == Flops(2 * 2 * 4 * 3)


@pytest.mark.parametrize("forward", [lambda x: x, lambda x: x.no_such_thing], ids=["ends well", "fails"])
def test_what_was_switched_off_to_count_is_on_again(forward):
    def switches() -> tuple[bool, ...]:
        fused = torch.backends.cuda.flash_sdp_enabled(), torch.backends.cuda.mem_efficient_sdp_enabled()
        return (*fused, torch.backends.mha.get_fastpath_enabled())

    assert switches() == (True, True, True)
    count_flops(forward, torch.rand(1))
    assert switches() == (True, True, True)


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("name", [*FULL, "faster_rcnn", "resnet"])
def test_of_our_networks_everything_is_counted(name: str, bf16: bool):
    others = {
        "faster_rcnn": FasterRCNNConfig(score_threshold=0.0),
        "resnet": ImportedConfig(network="torchvision.models:resnet18", image_side=32),
    }
    device = "meta" if name in ("vgg16", "alexnet", "resnet") else "cpu"  # a detector's shapes come from its numbers
    with torch.device(device):
        model = build(others[name] if name in others else FULL[name][0], DIGITS).model.eval()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            found = flops_per_image(model, torch.rand(1, 1, 28, 28))
    assert found.count > 0
    assert found.uncounted == ()


@pytest.mark.slow
def test_of_torchvisions_detectors_too():
    torch.manual_seed(0)
    model = MODELS.get_model("fasterrcnn_mobilenet_v3_large_320_fpn", weights=None, weights_backbone=None)
    found = flops_per_image(lambda images: model.eval()(list(images)), torch.rand(1, 3, 320, 320))
    assert found.count > 0
    assert found.uncounted == ()


@pytest.mark.slow
def test_a_real_vit_costs_what_its_shapes_say():
    """In inference on a CPU torch computes it by two kernels that its own counter passes over: 22.5 GFLOP."""
    real = MODELS.vit_b_16(weights=None).eval()
    found = flops_per_image(real, torch.rand(1, 3, 224, 224))
    assert found == flops_per_image(real.to("meta"), torch.empty(1, 3, 224, 224, device="meta"))
    tokens, width = 14**2 + 1, 768  # by hand: the patches, twelve blocks, the head
    block = 4 * tokens * width**2 + 2 * tokens**2 * width + 2 * tokens * width * 4 * width
    assert found == Flops(2 * (14**2 * 3 * 16**2 * width + 12 * block + 1000 * width))


class WithoutWeights(TorchFunctionMode):
    """Parameters have shapes and no memory; what a network computes its own shape with has."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func in (torch.empty, torch.ones, torch.zeros):
            kwargs["device"] = "meta"
        return func(*args, **kwargs)


@pytest.mark.slow
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_torchvisions_own_record_is_agreed_with(name: str):
    """Of each classifier at each side that it has weights for; nothing is downloaded."""
    for weights in MODELS.get_model_weights(name):
        (side,) = weights.transforms().crop_size
        # With weights torchvision builds GoogLeNet without its auxiliary classifiers, and so it is recorded.
        options = {"googlenet": {"aux_logits": False, "init_weights": False}, "inception_v3": {"init_weights": False}}
        more = options.get(name, {"image_size": side} if name.startswith("vit") else {})
        with WithoutWeights():
            model = MODELS.get_model(name, weights=None, **more).eval().to("meta")
        found = flops_per_image(model, torch.empty(1, 3, side, side, device="meta"))
        assert found.uncounted == ()
        assert found.count / 1e9 == pytest.approx(2 * weights.meta["_ops"], rel=0.02), weights  # GMACs
        assert count_parameters(model)[0] == pytest.approx(weights.meta["num_params"], rel=0.02), weights
    assert len(CLASSIFIERS) == 80
