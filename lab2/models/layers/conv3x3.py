"""A 3 x 3 convolution in fewer products than the convolution's own kernels take."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lab2.models.layers.winograd import convolve

_MIN_CHANNELS = 48  # of input and output; fewer do not pay for the transforms


def use_conv3x3(network: nn.Module) -> None:
    """Turn each wide 3 x 3 convolution inside `network` into a `Conv3x3`. Hooks on it stay."""
    for layer in network.modules():
        if type(layer) is nn.Conv2d and _is_wide(layer) and _is_padded_3x3(layer):
            # The object itself changes its class: others may hold it already, in attributes, lists and hooks.
            layer.__class__ = Conv3x3


def _is_wide(layer: nn.Conv2d) -> bool:
    return min(layer.in_channels, layer.out_channels) >= _MIN_CHANNELS


def _is_padded_3x3(layer: nn.Conv2d) -> bool:
    dense = layer.stride == layer.dilation == (1, 1) and layer.groups == 1
    return dense and layer.kernel_size == (3, 3) and layer.padding == (1, 1) and layer.padding_mode == "zeros"


class Conv3x3(nn.Conv2d):
    """A 3 x 3 convolution, padded by 1: the same function, the same parameters.

    On maps of one cell, or of 2 x 2, every output cell sees every input cell, so it is one linear map of them all,
    where kernels spend most of their products on the padding. On larger ones, training in fp32 on a CPU, it goes by
    Winograd's algorithm: in bf16 that is off by 2.7 % where a convolution is by 0.2, and testing one image at a time
    its transform of the kernel would cost the most. What each is worth stands in benchmarks/LOG.md.
    """

    winograd = True  # False: larger maps go by the convolution's own kernels, where those are faster

    def __init__(self, in_channels: int, out_channels: int, *, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim != 4:  # an imported network may take images one by one
            return super().forward(input)
        height, width = input.shape[-2:]
        if height == width <= 2:
            return _all_cells(input, *self._linear(height, input.dtype))
        full_precision = input.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
        if self.winograd and self.training and full_precision and input.device.type == "cpu" and min(height, width) > 2:
            y = convolve(input, self.weight)
            return y if self.bias is None else y + self.bias[:, None, None]
        return super().forward(input)

    def as_deployed(self, seen: torch.Size) -> nn.Module:
        """One linear map of all cells, where (B, in, 1, 1) or (B, in, 2, 2) is what it sees."""
        if len(seen) != 4 or not seen[-2] == seen[-1] <= 2:
            return self
        with torch.no_grad():
            return LinearCells(*self._linear(seen[-1], self.weight.dtype))

    def _linear(self, side: int, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
        """Weight and bias of the map from (side side in) to (side side out) numbers; side is 1 or 2."""
        kernel = self.weight.to(dtype).permute(0, 2, 3, 1)  # (out, 3, 3, in), as channels last lies in memory
        at = range(side)
        seen = [kernel[:, 1 - y : 1 - y + side, 1 - x : 1 - x + side] for y in at for x in at]  # (out, side, side, in)
        linear = torch.stack(seen).flatten(0, 1).flatten(1)  # (side side out, side side in)
        return linear, None if self.bias is None else self.bias.repeat(side * side)


class LinearCells(nn.Linear):
    """The linear map that `Conv3x3` is on maps of one cell, or of 2 x 2."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__(weight.shape[1], weight.shape[0], bias is not None, device="meta")
        self.weight = nn.Parameter(weight)
        if bias is not None:
            self.bias = nn.Parameter(bias)

    def forward(self, input: Tensor) -> Tensor:
        return _all_cells(input, self.weight, self.bias)


def _all_cells(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """(B, in, side, side) to (B, out, side, side), channels last, by one linear map of all cells."""
    side = input.shape[-1]
    x = F.linear(input.permute(0, 2, 3, 1).flatten(1), weight, bias)  # (B, side side out)
    # torch.export would make a constant of `len(x)`.
    return x.view(x.shape[0], side, side, x.shape[1] // side**2).permute(0, 3, 1, 2)
