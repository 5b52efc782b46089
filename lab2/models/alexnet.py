"""AlexNet, the variant with one tower.

Source: Krizhevsky 2014 (arXiv:1404.5997), torchvision's implementation and weights.
Differs: the last layer is as wide as the data has classes; its 3 x 3 convolutions are `Conv3x3`; see `transfer.py`
for the rest.
"""

from __future__ import annotations

import torchvision
from torch import nn

from lab2.models.conv3x3 import use_conv3x3
from lab2.spec.architectures import AlexNetConfig


def alexnet(config: AlexNetConfig) -> nn.Module:
    """torchvision's network with 1000 classes and no weights yet."""
    network: nn.Module = torchvision.models.alexnet(weights=None, dropout=config.dropout)
    use_conv3x3(network)
    return network
