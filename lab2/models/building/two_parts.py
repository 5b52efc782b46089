"""A network that was trained before, in two parts that can be trained apart: features and a head."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn


class TwoParts(nn.Module):
    """(B, C, S, S) images in [0, 1] to (B, K) logits: `classify(extract(images))`, once the parts are found."""

    def find_parts(self, images: Tensor) -> None:
        """Find where the head begins, for images like these. Raises `ConfigError` where that cannot be."""

    @abstractmethod
    def extract(self, images: Tensor) -> Tensor:
        """The features of images: what the head is given."""

    @abstractmethod
    def classify(self, features: Tensor) -> Tensor:
        """(B, K) logits of what `extract` gave."""

    @abstractmethod
    def head_parameters(self) -> list[nn.Parameter]:
        """The head's own; all others belong to the features."""
