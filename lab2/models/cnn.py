"""A small convolutional network.

Source: LeCun et al. 1998 (LeNet-5), with what has become usual since: ReLU, max pooling, dropout.
Shapes: B images, C channels, S side (pixels), F filters, H hidden units, K classes.
"""

from __future__ import annotations

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
        padding = config.kernel_size // 2
        self.features = nn.Sequential(
            Normalize(shape.mean, shape.std),
            nn.Conv2d(shape.channels, first, config.kernel_size, padding=padding),  # (B, F1, S, S)
            nn.MaxPool2d(2),  # (B, F1, S/2, S/2); before the ReLU, which commutes with it: a quarter the work
            nn.ReLU(),
            nn.Conv2d(first, second, config.kernel_size, padding=padding),  # (B, F2, S/2, S/2)
            nn.MaxPool2d(2),  # (B, F2, S/4, S/4)
            nn.ReLU(),
        )
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Linear(second * (shape.side // 4) ** 2, config.hidden),  # (B, H)
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden, len(shape.classes)),  # (B, K)
        )

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(images))
        return logits
