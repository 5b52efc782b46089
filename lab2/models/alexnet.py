"""AlexNet, as torchvision ships it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from lab2.spec.architectures import Architecture, PooledConfig
from lab2.spec.checks import require

if TYPE_CHECKING:
    from torch import nn

    from lab2.data.datasets import DataShape


@dataclass(frozen=True, slots=True, kw_only=True)
class AlexNetConfig(PooledConfig):
    """Krizhevsky's network (arXiv:1404.5997), as torchvision ships it."""

    settled: ClassVar[bool] = True

    architecture: Literal["alexnet"] = "alexnet"
    image_side: int = 64  # pixels, 63 or more; images are resized to it inside the network

    def __post_init__(self) -> None:
        PooledConfig.__post_init__(self)
        require(self.image_side >= 63, f"alexnet: image_side={self.image_side}, its strides need 63 or more")


def build(config: AlexNetConfig, _shape: DataShape) -> nn.Module:
    """torchvision's network with 1000 classes and no weights yet: the last layer is replaced where weights are."""
    import torchvision

    network: nn.Module = torchvision.models.alexnet(weights=None, dropout=config.dropout)
    return network


ARCHITECTURE = Architecture(
    config=AlexNetConfig,
    build=build,
    paper="Krizhevsky 2014 (arXiv:1404.5997), the variant with one tower",
    differs="the last layer is as wide as the data has classes; where the images are so small that the last map is one "
    "cell, the sum of the weights over its equal copies is what is trained: the same function",
    parameters=57_044_810,
    colours=True,
)
