"""A small convolutional network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from lab2.errors import ConfigError
from lab2.spec.architectures import Architecture, ModelConfig
from lab2.spec.checks import require

if TYPE_CHECKING:
    from torch import nn

    from lab2.data.datasets import DataShape


@dataclass(frozen=True, slots=True, kw_only=True)
class CNNConfig(ModelConfig):
    """Two convolutions and two linear layers, after LeNet-5 (LeCun et al. 1998)."""

    settled: ClassVar[bool] = True

    architecture: Literal["cnn"] = "cnn"
    filters: tuple[int, int] = (32, 64)  # channels of the two convolutions
    kernel_size: int = 5  # pixels; odd
    hidden: int = 384  # width of the first linear layer
    dropout: float = 0.1  # share of that layer's units, [0, 1)
    batch_norm: bool = False  # after each pooling

    def __post_init__(self) -> None:
        require(min(self.filters) > 0, f"cnn: filters={self.filters}, both must be positive")
        require(self.kernel_size % 2 == 1, f"cnn: kernel_size={self.kernel_size} must be odd")
        require(self.hidden > 0, f"cnn: hidden={self.hidden} must be positive")
        require(0 <= self.dropout < 1, f"cnn: dropout={self.dropout} is not in [0, 1)")


def build(config: CNNConfig, shape: DataShape) -> nn.Module:
    """(B, C, S, S) normalised images to (B, K) logits. Raises `ConfigError` for images too small for two poolings."""
    from torch import nn

    if shape.side < 4:
        raise ConfigError(f"cnn: images of {shape.side} pixels; two poolings need 4 or more")
    first, second = config.filters
    padding, left = _padding(shape.side, config.kernel_size)
    return nn.Sequential(
        *_stage(shape.channels, first, config, padding),
        *_stage(first, second, config, padding),  # (B, second, left, left)
        nn.Flatten(),
        nn.Linear(second * left**2, config.hidden),
        nn.ReLU(),
        nn.Dropout(config.dropout),
        nn.Linear(config.hidden, len(shape.classes)),
    )


def _stage(inside: int, outside: int, config: CNNConfig, padding: int) -> Iterator[nn.Module]:
    """Convolution, pooling and what follows, which sees a quarter of what it would see before the pooling.

    The ReLU commutes with the pooling; batch normalisation does so where its gains are positive.
    """
    from torch import nn

    yield nn.Conv2d(inside, outside, config.kernel_size, padding=padding, bias=not config.batch_norm)
    yield nn.MaxPool2d(2)
    if config.batch_norm:
        yield nn.BatchNorm2d(outside)
    yield nn.ReLU()


def _padding(side: int, kernel_size: int) -> tuple[int, int]:
    """The rim around the maps, and the side (pixels) of what the linear layers see.

    No rim, as in LeNet-5: a third of the products on digits, and as accurate. Small images need one.
    """
    lost = kernel_size - 1
    left = ((side - lost) // 2 - lost) // 2
    return (0, left) if left >= 2 else (kernel_size // 2, side // 4)


ARCHITECTURE = Architecture(
    config=CNNConfig,
    build=build,
    paper="LeCun et al. 1998 (LeNet-5)",
    differs="ReLU, max pooling, dropout, and batch normalisation (arXiv:1502.03167) where the config has it",
    parameters=449_546,
)
