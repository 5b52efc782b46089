"""ResNet-20, in the form for images of CIFAR's size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lab2.errors import ConfigError
from lab2.spec.architectures import Architecture, ModelConfig
from lab2.spec.checks import require

if TYPE_CHECKING:
    from torch import nn

    from lab2.data.datasets import DataShape


@dataclass(frozen=True, slots=True, kw_only=True)
class ResNet20Config(ModelConfig):
    """6n + 2 layers in three stages of n blocks (arXiv:1512.03385, section 4.2); n = 3 makes the twenty."""

    architecture: Literal["resnet20"] = "resnet20"
    blocks: int = 3  # of each stage
    filters: int = 16  # of the first stage; each further one has twice as many

    def __post_init__(self) -> None:
        require(min(self.blocks, self.filters) > 0, f"resnet20: blocks={self.blocks}, filters={self.filters}: above 0")


def build(config: ResNet20Config, shape: DataShape) -> nn.Module:
    """(B, C, S, S) normalised images to (B, K) logits. Raises `ConfigError` for images too small for two halvings."""
    from torch import nn

    if shape.side < 4:
        raise ConfigError(f"resnet20: images of {shape.side} pixels; two halvings need 4 or more")
    widths = [config.filters, 2 * config.filters, 4 * config.filters]
    stages = [widths[0], *widths]  # the first stage keeps the width of the layer before it
    network = nn.Sequential(
        _convolution(shape.channels, widths[0]),
        nn.ReLU(),
        *(
            _block(stages[stage] if number == 0 else widths[stage], widths[stage])
            for stage in range(3)
            for number in range(config.blocks)
        ),
        nn.AdaptiveAvgPool2d(1),  # (B, 64, 1, 1)
        nn.Flatten(),
        nn.Linear(widths[-1], len(shape.classes)),
    )
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return network


def _block(inside: int, outside: int) -> nn.Module:
    """Two convolutions around which the input is passed; the first of a new width halves the side."""
    from torch import nn

    from lab2.models.layers.residual import HalfSide, Residual

    stride = 1 if inside == outside else 2
    body = nn.Sequential(_convolution(inside, outside, stride), nn.ReLU(), _convolution(outside, outside))
    return Residual(body, nn.Identity() if inside == outside else HalfSide(outside - inside))


def _convolution(inside: int, outside: int, stride: int = 1) -> nn.Module:
    from torch import nn

    return nn.Sequential(nn.Conv2d(inside, outside, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(outside))


ARCHITECTURE = Architecture(
    config=ResNet20Config,
    build=build,
    paper="He et al. 2015 (arXiv:1512.03385), section 4.2, option A",
    parameters=269_434,
)
