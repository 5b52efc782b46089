"""3 x 3 convolutions with a quarter of the multiplications.

Source: Lavin and Gray 2016 (arXiv:1509.09308), F(4 x 4, 3 x 3); B^T, G and A^T are their transforms of the input,
the kernel and the output.
Differs: transforms are products with those matrices, not chains of additions; a batch goes through all steps in groups
of images; the gradient is by the transposes of all steps. In a training step of 128 of VGG16's images, transforms are
by count a fifth of the products for 64 channels, a twentieth for 512. Where 4 does not divide the sides, more than a
quarter is left: 36 products for 81 on maps of 3 x 3.
Shapes: B images, C channels in, O channels out, H x W cells, P = B * down * across tiles of 4 x 4 cells of the output,
each of which sees 6 x 6 of the input; what lies beyond the output's edge is dropped.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

_OF_INPUT = torch.tensor([
    [4.0, 0, -5, 0, 1, 0],
    [0, -4, -4, 1, 1, 0],
    [0, 4, -4, -1, 1, 0],
    [0, -2, -1, 2, 1, 0],
    [0, 2, -1, -2, 1, 0],
    [0, 4, 0, -5, 0, 1],
])  # fmt: skip
_OF_KERNEL = torch.tensor([[6.0, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24
_OF_OUTPUT = torch.tensor([[1.0, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]])

_CACHED = 2**20  # numbers of a group's tiles: 4 MiB


def convolve(x: Tensor, weight: Tensor) -> Tensor:
    """(B, C, H, W) padded by 1 and convolved with (O, C, 3, 3): (B, O, H, W), channels last. fp32 on a CPU."""
    height, width = x.shape[-2:]
    y: Tensor = _Winograd.apply(x, weight)
    return y[:, :height, :width].permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)


class _Winograd(torch.autograd.Function):
    """(B, C, H, W) and (O, C, 3, 3) to (B, 4 down, 4 across, O), with a gradient of its own.

    By autograd, a layer took three to six tenths longer. What the gradient needs of the input stays as tiles, 2.25
    times its size: to cut them out again would take a tenth longer (benchmarks/LOG.md).
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        images, channels, height, width = x.shape
        outside, down, across = len(weight), math.ceil(height / 4), math.ceil(width / 4)
        kernel = _transform(_OF_KERNEL, weight.permute(2, 3, 0, 1).reshape(3, 3, -1))  # (6, 6, O C)
        kernel = kernel.view(36, outside, channels)
        y = x.new_empty(images, 4 * down, 4 * across, outside)
        group = _images_of_a_group(down * across, kernel)
        seen = []
        for some, part in zip(x.split(group), y.split(group), strict=True):
            tiles = _transform(_OF_INPUT, _cut(some, down, across)).view(36, -1, channels)  # (36, P, C)
            cells = _transform(_OF_OUTPUT, (tiles @ kernel.mT).view(6, 6, -1))  # (4, 4, P O)
            cells = cells.view(4, 4, len(some), down, across, outside).permute(2, 3, 0, 4, 1, 5)
            part.view(len(some), down, 4, across, 4, outside).copy_(cells)
            seen.append(tiles)
        ctx.save_for_backward(kernel, *seen)
        ctx.group, ctx.shape = group, x.shape
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        kernel, *seen = ctx.saved_tensors
        images, channels, height, width = ctx.shape
        _, down, across, outside = gradient.shape
        down, across = down // 4, across // 4
        of_x = gradient.new_empty(images, height, width, channels)
        of_kernel = torch.zeros_like(kernel)  # (36, O, C)
        for some, part, tiles in zip(gradient.split(ctx.group), of_x.split(ctx.group), seen, strict=True):
            cells = some.reshape(len(some), down, 4, across, 4, outside).permute(2, 4, 0, 1, 3, 5)
            of_products = _transform(_OF_OUTPUT.T, cells.reshape(4, 4, -1)).view(36, -1, outside)  # (36, P, O)
            of_kernel.baddbmm_(of_products.mT, tiles)
            of_tiles = _transform(_OF_INPUT.T, (of_products @ kernel).view(6, 6, -1))  # (6, 6, P C)
            part.copy_(_add_up(of_tiles.view(6, 6, len(some), down, across, channels))[:, :height, :width])
        of_weight = _transform(_OF_KERNEL.T, of_kernel.view(6, 6, -1)).view(3, 3, outside, channels)
        return of_x.permute(0, 3, 1, 2), of_weight.permute(2, 3, 0, 1)  # (B, C, H, W), channels last, (O, C, 3, 3)


def _images_of_a_group(tiles: int, kernel: Tensor) -> int:
    """How many images, of so many tiles each, go through all steps before the next ones.

    As many as have about `_CACHED` numbers in all their tiles, for a step to find the cache warm; but at least as many
    tiles as the (36, O, C) kernel has channels, or reading it again for each group costs more than that saves.
    """
    widest = max(kernel.shape[1:])
    return math.ceil(max(_CACHED / (36 * widest), widest) / tiles)


def _transform(matrix: Tensor, cells: Tensor) -> Tensor:
    """The (m, n) matrix along both axes of (n, n, N) cells: (m, m, N)."""
    rows = matrix @ cells.flatten(1)
    return matrix @ rows.view(len(matrix), *cells.shape[1:])


def _cut(x: Tensor, down: int, across: int) -> Tensor:
    """(B, C, H, W), padded, as the (6, 6, P C) cells that the tiles see."""
    beyond = (1, 4 * across + 1 - x.shape[3], 1, 4 * down + 1 - x.shape[2])
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, *beyond))  # (B, 4 down + 2, 4 across + 2, C)
    tiles = padded.unfold(1, 6, 4).unfold(2, 6, 4)  # (B, down, across, C, 6, 6)
    return tiles.permute(4, 5, 0, 1, 2, 3).reshape(6, 6, -1)


def _add_up(tiles: Tensor) -> Tensor:
    """What `_cut` cut out, (6, 6, B, down, across, C), put back, overlaps added: (B, 4 down, 4 across, C)."""
    _, _, images, down, across, channels = tiles.shape
    tiles = tiles.permute(2, 3, 0, 4, 1, 5)  # (B, down, 6, across, 6, C)
    padded = tiles.new_zeros(images, down + 1, 4, across + 1, 4, channels)
    # The last two of a tile's six rows are the first two of the next; so it is with columns.
    parts = ((slice(None, -1), slice(0, 4), slice(0, 4)), (slice(1, None), slice(0, 2), slice(4, 6)))
    for row, to_row, from_row in parts:
        for column, to_column, from_column in parts:
            padded[:, row, to_row, column, to_column] += tiles[:, :, from_row, :, from_column]
    return padded.view(images, 4 * down + 4, 4 * across + 4, channels)[:, 1:-3, 1:-3]
