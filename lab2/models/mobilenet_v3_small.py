"""MobileNetV3-Small, as torchvision ships it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lab2.spec.architectures import Architecture, ModelConfig
from lab2.spec.checks import require

if TYPE_CHECKING:
    from torch import nn

    from lab2.data.datasets import DataShape


@dataclass(frozen=True, slots=True, kw_only=True)
class MobileNetV3SmallConfig(ModelConfig):
    """Howard et al.'s small network for phones (arXiv:1905.02244), trained from random weights."""

    architecture: Literal["mobilenet_v3_small"] = "mobilenet_v3_small"
    image_side: int = 64  # pixels; images are resized to it inside the network
    width: float = 1.0  # all numbers of channels over the paper's, [0.05, 10]
    dropout: float = 0.2  # before the last layer

    def __post_init__(self) -> None:
        require(
            self.image_side >= 32,
            f"mobilenet_v3_small: image_side={self.image_side}, five halvings need 32 or more",
        )
        require(0.05 <= self.width <= 10, f"mobilenet_v3_small: width={self.width} is not in [0.05, 10]")
        require(0 <= self.dropout < 1, f"mobilenet_v3_small: dropout={self.dropout} is not in [0, 1)")


def build(config: MobileNetV3SmallConfig, shape: DataShape) -> nn.Module:
    """(B, 3, S, S) normalised images of `image_side` pixels to (B, K) logits."""
    from torchvision.models import mobilenetv3

    network: nn.Module = mobilenetv3.mobilenet_v3_small(
        weights=None, width_mult=config.width, dropout=config.dropout, num_classes=len(shape.classes)
    )
    return network


ARCHITECTURE = Architecture(
    config=MobileNetV3SmallConfig,
    build=build,
    paper="Howard et al. 2019 (arXiv:1905.02244)",
    differs="images are resized to 64 pixels, not to 224",
    parameters=1_528_106,
    colours=True,
)
