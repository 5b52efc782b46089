"""3 x 3 convolutions with a quarter of the multiplications.

Source: Lavin and Gray 2016 (arXiv:1509.09308), F(4 x 4, 3 x 3); B^T, G and A^T are their transforms of the input,
the kernel and the output.
Differs: a transform is one product with a 36-wide matrix, not a chain of additions, and the gradient is by the
transposes of all steps. In a training step of 128 of VGG16's images, transforms are by count half of the products for
64 channels, a tenth for 512.
Shapes: B images, C channels in, O channels out, H x W cells, P = B * H/4 * W/4 tiles of 4 x 4 cells of the output,
each of which sees 6 x 6 of the input.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

_BT = torch.tensor([
    [4.0, 0, -5, 0, 1, 0],
    [0, -4, -4, 1, 1, 0],
    [0, 4, -4, -1, 1, 0],
    [0, -2, -1, 2, 1, 0],
    [0, 2, -1, -2, 1, 0],
    [0, 4, 0, -5, 0, 1],
])  # fmt: skip
_G = torch.tensor([[6.0, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24
_AT = torch.tensor([[1.0, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]])

# Along rows and columns at once: (36, 36), (36, 9) and (16, 36).
_OF_INPUT, _OF_KERNEL, _OF_OUTPUT = (torch.kron(matrix, matrix) for matrix in (_BT, _G, _AT))


def convolve(x: Tensor, weight: Tensor) -> Tensor:
    """(B, C, H, W) padded by 1 and convolved with (O, C, 3, 3): (B, O, H, W). fp32 on a CPU; H and W multiples of 4."""
    y: Tensor = _Winograd.apply(x, weight)
    return y


class _Winograd(torch.autograd.Function):
    """With a gradient of its own: by autograd, a layer of 128 channels at 16 pixels takes three tenths longer."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        images, channels, height, width = x.shape
        tiles = (_OF_INPUT @ _cut(x)).view(36, -1, channels)  # (36, P, C)
        kernel = _OF_KERNEL @ weight.permute(2, 3, 0, 1).reshape(9, -1)  # (36, O C)
        kernel = kernel.view(36, -1, channels)  # (36, O, C)
        ctx.save_for_backward(tiles, kernel)
        ctx.shape = x.shape
        y = _OF_OUTPUT @ (tiles @ kernel.mT).flatten(1)  # (16, P O)
        y = y.view(4, 4, images, height // 4, width // 4, -1).permute(2, 3, 0, 4, 1, 5)  # (B, H/4, 4, W/4, 4, O)
        return y.reshape(images, height, width, -1).permute(0, 3, 1, 2)  # (B, O, H, W), channels last

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        tiles, kernel = ctx.saved_tensors
        images, channels, height, width = ctx.shape
        of_y = gradient.permute(0, 2, 3, 1).reshape(images, height // 4, 4, width // 4, 4, -1)
        of_y = of_y.permute(2, 4, 0, 1, 3, 5).reshape(16, -1)  # (16, P O)
        of_products = (_OF_OUTPUT.T @ of_y).view(36, tiles.shape[1], -1)  # (36, P, O)
        of_weight = _OF_KERNEL.T @ (of_products.mT @ tiles).flatten(1)  # (9, O C)
        of_weight = of_weight.view(3, 3, -1, channels).permute(2, 3, 0, 1)  # (O, C, 3, 3)
        of_tiles = _OF_INPUT.T @ (of_products @ kernel).flatten(1)  # (36, P C)
        return _add_up(of_tiles.view(6, 6, images, height // 4, width // 4, channels)), of_weight


def _cut(x: Tensor) -> Tensor:
    """(B, C, H, W), padded, as the (36, P C) cells that the tiles see."""
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))  # (B, H + 2, W + 2, C)
    tiles = padded.unfold(1, 6, 4).unfold(2, 6, 4)  # (B, H/4, W/4, C, 6, 6)
    return tiles.permute(4, 5, 0, 1, 2, 3).reshape(36, -1)


def _add_up(tiles: Tensor) -> Tensor:
    """What `_cut` cut out, (6, 6, B, H/4, W/4, C), put back, overlaps added: (B, C, H, W), channels last."""
    _, _, images, down, across, channels = tiles.shape
    tiles = tiles.permute(2, 3, 0, 4, 1, 5)  # (B, H/4, 6, W/4, 6, C)
    padded = tiles.new_zeros(images, down + 1, 4, across + 1, 4, channels)
    # The last two of a tile's six rows are the first two of the next; so it is with columns.
    parts = ((slice(None, -1), slice(0, 4), slice(0, 4)), (slice(1, None), slice(0, 2), slice(4, 6)))
    for row, to_row, from_row in parts:
        for column, to_column, from_column in parts:
            padded[:, row, to_row, column, to_column] += tiles[:, :, from_row, :, from_column]
    padded = padded.view(images, 4 * down + 4, 4 * across + 4, channels)  # (B, H + 4, W + 4, C)
    return padded[:, 1:-3, 1:-3].contiguous().permute(0, 3, 1, 2)
