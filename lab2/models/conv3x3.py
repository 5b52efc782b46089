"""A 3 x 3 convolution in fewer products than the convolution's own kernels take."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lab2.models.winograd import convolve

_MIN_CHANNELS = 48  # of input and output; fewer do not pay for the transforms


def use_conv3x3(network: nn.Module) -> None:
    """Put a `Conv3x3` in the place of each wide convolution inside `network` that one can stand for."""
    for parent in list(network.modules()):
        for name, layer in parent.named_children():
            if type(layer) is nn.Conv2d and _is_wide(layer) and _is_padded_3x3(layer):
                parent.add_module(name, Conv3x3(layer))


def _is_wide(layer: nn.Conv2d) -> bool:
    return min(layer.in_channels, layer.out_channels) >= _MIN_CHANNELS


def _is_padded_3x3(layer: nn.Conv2d) -> bool:
    dense = layer.stride == layer.dilation == (1, 1) and layer.groups == 1
    return dense and layer.kernel_size == (3, 3) and layer.padding == (1, 1) and layer.padding_mode == "zeros"


class Conv3x3(nn.Conv2d):
    """Stands for a 3 x 3 convolution, padded by 1, and has its parameters.

    On 2 x 2 maps every output cell sees every input cell, so it is one linear map of all four, where kernels
    spend most of their products on the padding. On larger ones, training in fp32 on a CPU, it goes by Winograd's
    algorithm: in bf16 that is off by 2.7 % where a convolution is by 0.2, and testing one image at a time its transform
    of the kernel would cost the most. What each is worth stands in benchmarks/README.md.
    """

    def __init__(self, layer: nn.Conv2d) -> None:
        assert _is_padded_3x3(layer)
        bias = layer.bias is not None
        super().__init__(layer.in_channels, layer.out_channels, 3, padding=1, bias=bias, device="meta")
        self.weight, self.bias = layer.weight, layer.bias
        self.train(layer.training)

    def forward(self, input: Tensor) -> Tensor:
        height, width = input.shape[-2:]
        if height == width == 2:
            return self._linear(input)
        full_precision = input.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
        if self.training and full_precision and input.device.type == "cpu" and min(height, width) > 2:
            y = convolve(input, self.weight)
            return y if self.bias is None else y + self.bias[:, None, None]
        return super().forward(input)

    def _linear(self, input: Tensor) -> Tensor:
        """(B, in, 2, 2) to (B, out, 2, 2)."""
        kernel = self.weight.to(input.dtype).permute(0, 2, 3, 1)  # (out, 3, 3, in), as channels last lies in memory
        cells = [kernel[:, 1 - y : 3 - y, 1 - x : 3 - x] for y in (0, 1) for x in (0, 1)]  # (out, 2, 2, in) each
        linear = torch.stack(cells).flatten(0, 1).flatten(1)  # (4 out, 4 in)
        bias = None if self.bias is None else self.bias.repeat(4)
        x = F.linear(input.permute(0, 2, 3, 1).flatten(1), linear, bias)  # (B, 4 out)
        return x.view(-1, 2, 2, self.out_channels).permute(0, 3, 1, 2)  # (B, out, 2, 2), channels last
