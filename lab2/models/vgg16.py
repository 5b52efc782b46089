"""VGG16, configuration D.

Source: Simonyan and Zisserman 2015 (arXiv:1409.1556), torchvision's implementation and weights.
Differs: the last layer is as wide as the data has classes; all convolutions but the first are `Conv3x3`; see
`transfer.py` for the rest.
"""

from __future__ import annotations

import torchvision
from torch import nn

from lab2.models.conv3x3 import use_conv3x3
from lab2.spec.architectures import VGG16Config


def vgg16(config: VGG16Config) -> nn.Module:
    """torchvision's network with 1000 classes and no weights yet."""
    network: nn.Module = torchvision.models.vgg16(weights=None, init_weights=False, dropout=config.dropout)
    use_conv3x3(network)
    return network
