"""The nearest neighbour: what it is worth to remember all training images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lab2.spec.architectures import Architecture, PixelsConfig

if TYPE_CHECKING:
    from torch import nn

    from lab2.data.datasets import DataShape


@dataclass(frozen=True, slots=True, kw_only=True)
class NearestNeighbourConfig(PixelsConfig):
    """Baseline: the label of the training image whose pixels in [0, 1] are nearest by Euclid (Cover and Hart 1967)."""

    architecture: Literal["nearest_neighbour"] = "nearest_neighbour"


def build(config: NearestNeighbourConfig, shape: DataShape) -> nn.Module:
    """A `NearestNeighbour`."""
    from lab2.models.layers.fitted import NearestNeighbour

    return NearestNeighbour(config, shape)


ARCHITECTURE = Architecture(
    config=NearestNeighbourConfig,
    build=build,
    paper="Cover and Hart 1967, scikit-learn's KNeighborsClassifier(n_neighbors=1)",
    differs="images over 32 pixels are averaged to 32; at most 60,000 training images; the pixels that it keeps are no "
    "parameters",
    parameters=0,
)
