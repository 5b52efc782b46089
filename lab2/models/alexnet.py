"""AlexNet, the variant with one tower.

Source: Krizhevsky 2014 (arXiv:1404.5997), torchvision's implementation and weights.
Differs: the last layer is as wide as the data has classes; see `transfer.py` for the rest.
"""

from __future__ import annotations

import torchvision
from torch import nn

from lab2.spec.architectures import AlexNetConfig


def alexnet(config: AlexNetConfig) -> nn.Module:
    """torchvision's network with 1000 classes and no weights yet."""
    network: nn.Module = torchvision.models.alexnet(weights=None, dropout=config.dropout)
    return network
