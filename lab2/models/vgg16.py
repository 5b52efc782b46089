"""VGG16, configuration D.

Source: Simonyan and Zisserman 2015 (arXiv:1409.1556), torchvision's implementation and weights.
Differs: the last layer is as wide as the data has classes; all convolutions but the first are `Conv3x3`; see
`transfer.py` for the rest.
"""

from __future__ import annotations

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from lab2.models.winograd import convolve
from lab2.spec.architectures import VGG16Config


def vgg16(config: VGG16Config) -> nn.Module:
    """torchvision's network with 1000 classes and no weights yet."""
    network: nn.Module = torchvision.models.vgg16(weights=None, init_weights=False, dropout=config.dropout)
    features = network.get_submodule("features")
    assert isinstance(features, nn.Sequential)
    for position, layer in enumerate(features):
        if isinstance(layer, nn.Conv2d) and layer.in_channels > 3:  # colours are too few to pay for transforms
            features[position] = Conv3x3(layer.in_channels, layer.out_channels, 3, padding=1)
    return network


class Conv3x3(nn.Conv2d):
    """A 3 x 3 convolution, padded by 1, in fewer products than the convolution's own kernels take.

    On 2 x 2 maps every output cell sees every input cell, so it is one linear map of all four, where kernels
    spend most of their products on the padding. In training, in fp32 on a CPU, on maps of multiples of 4, it goes by
    Winograd's algorithm: in bf16 that is off by 2.7 % where a convolution is by 0.2, and testing one image at a time
    its transform of the kernel would cost the most.
    One layer of 512 channels, batch 128, forward and backward, fp32, 2 cores of an AMD EPYC without AVX-512, as a
    convolution and so: 105 and 39 ms on 2 x 2 maps, 264 and 102 on 4 x 4 (benchmarks/README.md).
    """

    def forward(self, input: Tensor) -> Tensor:
        height, width = input.shape[-2:]
        if height == width == 2:
            return self._linear(input)
        exact = input.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
        if self.training and exact and input.device.type == "cpu" and height % 4 == width % 4 == 0:
            assert self.bias is not None
            return convolve(input, self.weight) + self.bias[:, None, None]
        return super().forward(input)

    def _linear(self, input: Tensor) -> Tensor:
        """(B, in, 2, 2) to (B, out, 2, 2)."""
        assert self.bias is not None
        kernel = self.weight.to(input.dtype).permute(0, 2, 3, 1)  # (out, 3, 3, in), as channels last lies in memory
        cells = [kernel[:, 1 - y : 3 - y, 1 - x : 3 - x] for y in (0, 1) for x in (0, 1)]  # (out, 2, 2, in) each
        linear = torch.stack(cells).flatten(0, 1).flatten(1)  # (4 out, 4 in)
        x = F.linear(input.permute(0, 2, 3, 1).flatten(1), linear, self.bias.repeat(4))  # (B, 4 out)
        return x.view(-1, 2, 2, self.out_channels).permute(0, 3, 1, 2)  # (B, out, 2, 2), channels last
