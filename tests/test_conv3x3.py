"""The 3 x 3 convolution in fewer products: the same function, where it stands, and what it costs."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lab2.measure.flops import count_flops
from lab2.models.alexnet import AlexNetConfig
from lab2.models.building import build
from lab2.models.faster_rcnn import FasterRCNNConfig
from lab2.models.layers import winograd
from lab2.models.layers.conv3x3 import Conv3x3, use_conv3x3
from lab2.models.vgg16 import VGG16Config
from lab2.spec.architectures import ImportedConfig, ModelConfig
from tests.test_models import DIGITS


@pytest.mark.parametrize(
    ("side", "cached", "error"),
    [
        ((1, 1), 0, 1e-6),
        ((1, 2), 0, 1e-6),
        ((2, 2), 0, 1e-6),
        ((2, 4), 0, 1e-6),
        ((3, 3), 0, 1e-5),  # in groups of 6 images and 1
        ((4, 4), 0, 1e-5),
        ((6, 8), 0, 1e-5),
        ((8, 6), 0, 1e-5),
        ((6, 7), 0, 1e-5),  # 2, 2, 2 and 1
        ((8, 12), 0, 1e-5),  # one by one
        ((8, 12), 2**20, 1e-5),  # at once
    ],
    ids=str,
)
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
def test_is_the_convolution_and_has_its_gradients(
    monkeypatch: pytest.MonkeyPatch, side: tuple[int, int], cached: int, error: float, bias: bool
):
    monkeypatch.setattr(winograd, "_CACHED", cached)
    torch.manual_seed(0)
    layer = Conv3x3(6, 5, bias=bias)
    x = torch.rand(7, 6, *side, requires_grad=True)
    expected, y = nn.functional.conv2d(x, layer.weight, layer.bias, padding=1), layer(x)
    wanted = torch.randn_like(y)
    of = [x, *layer.parameters()]
    ours, theirs = ((found, *torch.autograd.grad(found, of, wanted)) for found in (y, expected))
    for mine, other in zip(ours, theirs, strict=True):
        assert (mine - other).norm() < error * other.norm()


@pytest.mark.parametrize("channels", [(300, 8), (8, 300)], ids=str)
def test_a_group_has_as_many_tiles_as_the_kernel_has_channels(channels: tuple[int, int]):
    kernel = torch.empty(36, *channels, device="meta")
    assert winograd._images_of_a_group(4, kernel) == 75  # 300 tiles, where 97 are what the cache holds
    few = torch.empty(36, 4, 8, device="meta")
    assert winograd._images_of_a_group(1, few) == 3641  # 2^20 numbers of 36 x 8 a tile


@pytest.mark.parametrize("side", [1, 2, 7, 8])
def test_takes_no_image(side: int):
    layer = Conv3x3(6, 5)
    assert layer(torch.rand(0, 6, side, side)).shape == (0, 5, side, side)


@pytest.mark.parametrize("side", [1, 2, 7, 8])
def test_takes_one_image_without_a_batch(side: int):
    layer = Conv3x3(6, 5)
    x = torch.rand(6, side, side)
    torch.testing.assert_close(layer(x), layer(x[None])[0])


@pytest.mark.parametrize("side", [1, 2, 7, 8])
def test_lets_what_follows_change_its_output(side: int):
    torch.manual_seed(0)
    layer = Conv3x3(6, 5, bias=False)
    x = torch.rand(2, 6, side, side)
    (ours,) = torch.autograd.grad(layer(x).relu_().sum(), [layer.weight])
    (theirs,) = torch.autograd.grad(nn.functional.conv2d(x, layer.weight, padding=1).relu().sum(), [layer.weight])
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("side", [1, 2, 7, 8])
def test_keeps_channels_last_on_both_ways(side: int):
    layer = Conv3x3(6, 5)
    x = torch.rand(3, 6, side, side).to(memory_format=torch.channels_last).requires_grad_()
    y = layer(x)
    (of_x,) = torch.autograd.grad(y.square().sum(), [x])
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert of_x.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("layer", "changed"),
    [
        (nn.Conv2d(48, 48, 3, padding=1), True),
        (nn.Conv2d(48, 48, 3, padding=1, bias=False), True),
        (nn.Conv2d(48, 48, 3, padding=1).eval(), True),
        (nn.Conv2d(24, 48, 3, padding=1), False),
        (nn.Conv2d(48, 24, 3, padding=1), False),
        (nn.Conv2d(48, 48, 3), False),
        (nn.Conv2d(48, 48, 5, padding=1), False),
        (nn.Conv2d(48, 48, 3, padding=1, stride=2), False),
        (nn.Conv2d(48, 48, 3, padding=1, dilation=2), False),
        (nn.Conv2d(48, 48, 3, padding=1, groups=4), False),
        (nn.Conv2d(48, 48, 3, padding=1, padding_mode="reflect"), False),
        (Conv3x3(48, 48), False),
    ],
    ids=str,
)
def test_is_made_of_what_it_can_compute(layer: nn.Conv2d, changed: bool):
    network = nn.Sequential(nn.Sequential(layer))
    before = type(layer)
    use_conv3x3(network)
    assert type(layer) is (Conv3x3 if changed else before)


def test_keeps_the_hooks_of_the_layer_that_it_is_made_of():
    layer = nn.Conv2d(48, 48, 3, padding=1)
    layer.register_forward_hook(lambda _layer, _input, output: -output)
    x = torch.rand(2, 48, 8, 8)
    before = layer(x)
    use_conv3x3(nn.Sequential(layer))
    torch.testing.assert_close(layer(x), before)


@pytest.mark.parametrize(
    ("config", "layers"),
    [
        (VGG16Config(weights="random"), 12),
        (AlexNetConfig(weights="random"), 3),
        (FasterRCNNConfig(), 3),
        (ImportedConfig(network="torchvision.models:resnet18", image_side=32), 13),
    ],
    ids=lambda value: getattr(value, "architecture", ""),
)
def test_stands_in_these_networks(config: ModelConfig, layers: int):
    with torch.device("meta"):
        network = build(config, DIGITS).model
    assert sum(isinstance(layer, Conv3x3) for layer in network.modules()) == layers


def test_passes_forward_in_a_quarter_of_the_multiplications_when_it_trains():
    layer = Conv3x3(64, 32)
    x = torch.rand(50, 64, 8, 8)
    direct, trained = (count_flops(layer.train(on), x).count for on in (False, True))
    # Along one axis, then along the other: 6 to 6 cells of the input, 3 to 6 of the kernel, 6 to 4 of the output.
    of_transforms = 2 * (6 * 6 * (6 + 6) * 64 * 200 + 6 * 3 * (3 + 6) * 64 * 32 + 4 * 6 * (6 + 4) * 32 * 200)
    assert direct == 2 * 9 * 64 * 64 * 32 * 50
    assert trained - of_transforms == direct / 4


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_goes_by_winograd_in_fp32_only(dtype: torch.dtype):
    layer = Conv3x3(6, 5).to(dtype)
    x = torch.rand(3, 6, 8, 8, dtype=dtype)
    assert torch.equal(layer(x), nn.functional.conv2d(x, layer.weight, layer.bias, padding=1))


def test_leaves_autocast_to_the_convolution():
    layer = Conv3x3(6, 5)
    x = torch.rand(3, 6, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x)
        assert torch.equal(y, nn.functional.conv2d(x, layer.weight, layer.bias, padding=1))


def test_in_bf16_its_gradient_is_off_by_no_more_than_two_roundings():
    torch.manual_seed(0)
    layer = Conv3x3(16, 8)
    x, wanted = torch.randn(64, 16, 2, 2), torch.randn(64, 8, 2, 2)
    y = nn.functional.conv2d(x, layer.weight, layer.bias, padding=1)
    (exact,) = torch.autograd.grad((y * wanted).sum(), [layer.weight])
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x.bfloat16())
    (ours,) = torch.autograd.grad((y.float() * wanted).sum(), [layer.weight])
    assert 0 < (ours - exact).norm() < 2 * 2**-8 * exact.norm()  # bf16's unit roundoff is 2**-8
