"""VGG16, as torchvision ships it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from lab2.spec.architectures import Architecture, PooledConfig
from lab2.spec.checks import require

if TYPE_CHECKING:
    from torch import nn

    from lab2.data.datasets import DataShape


@dataclass(frozen=True, slots=True, kw_only=True)
class VGG16Config(PooledConfig):
    """Simonyan and Zisserman's network (arXiv:1409.1556), as torchvision ships it."""

    settled: ClassVar[bool] = True

    architecture: Literal["vgg16"] = "vgg16"
    image_side: int = 32  # pixels, 32 or more; images are resized to it inside the network

    def __post_init__(self) -> None:
        PooledConfig.__post_init__(self)
        require(self.image_side >= 32, f"vgg16: image_side={self.image_side}, five poolings need 32 or more")


def build(config: VGG16Config, _shape: DataShape) -> nn.Module:
    """torchvision's network with 1000 classes and no weights yet: the last layer is replaced where weights are."""
    import torchvision

    network: nn.Module = torchvision.models.vgg16(weights=None, init_weights=False, dropout=config.dropout)
    return network


ARCHITECTURE = Architecture(
    config=VGG16Config,
    build=build,
    paper="Simonyan and Zisserman 2015 (arXiv:1409.1556), configuration D",
    differs="the last layer is as wide as the data has classes; where the images are so small that the last map is one "
    "cell, the sum of the weights over its equal copies is what is trained: the same function",
    parameters=134_301_514,
    colours=True,
)
