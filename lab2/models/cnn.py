"""A small convolutional network.

Source: LeCun et al. 1998 (LeNet-5), with what has become usual since: ReLU, max pooling, dropout, and batch
normalisation (arXiv:1502.03167) where the config has it.
Shapes: B images, C channels, S side (pixels), F1 and F2 filters, M side after the first pooling, L after both, H hidden
units, K classes.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from lab2.data.datasets import DataShape
from lab2.errors import ConfigError
from lab2.models.normalize import Normalize
from lab2.spec.architectures import CNNConfig


class CNN(nn.Module):
    """(B, C, S, S) images in [0, 1] to (B, K) logits."""

    def __init__(self, config: CNNConfig, shape: DataShape) -> None:
        super().__init__()
        if shape.side < 4:
            raise ConfigError(f"cnn: images of {shape.side} pixels; two poolings need 4 or more")
        first, second = config.filters
        padding, left = _padding(shape.side, config.kernel_size)
        self.features = nn.Sequential(
            Normalize(shape.mean, shape.std),
            *_stage(shape.channels, first, config, padding),  # (B, F1, M, M)
            *_stage(first, second, config, padding),  # (B, F2, L, L)
        )
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Linear(second * left**2, config.hidden),  # (B, H)
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden, len(shape.classes)),  # (B, K)
        )

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(images))
        return logits


def _stage(inside: int, outside: int, config: CNNConfig, padding: int) -> Iterator[nn.Module]:
    """Convolution, pooling and what follows, which looks at a quarter of what it would see before the pooling.

    The ReLU commutes with the pooling; batch normalisation does so where its gains are positive.
    """
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
