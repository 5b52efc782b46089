"""Batched augmentation, on the device that the images lie on."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def shift(images: Tensor, pixels: int, generator: torch.Generator) -> Tensor:
    """Each of the (B, C, S, S) images moved by its own draw from -pixels .. pixels, both ways.

    What comes in at the rim repeats the image's edge, so no background colour is assumed.
    """
    if pixels == 0:
        return images
    count, _, side, _ = images.shape
    padded = F.pad(images, (pixels,) * 4, mode="replicate")  # (B, C, S + 2p, S + 2p)
    span = 2 * pixels + 1
    offsets = torch.randint(span, (2, count, 1), generator=generator).to(images.device, non_blocking=True)
    rows, columns = offsets + torch.arange(side, device=images.device)  # (B, S) each
    batch = torch.arange(count, device=images.device)[:, None, None]
    moved = padded.permute(0, 2, 3, 1)[batch, rows[:, :, None], columns[:, None, :]]  # (B, S, S, C)
    return moved.permute(0, 3, 1, 2)


def warp(images: Tensor, rotation: float, stretch: float, generator: torch.Generator) -> Tensor:
    """Each of the (B, C, S, S) images turned about its centre by its own draw from -rotation .. rotation degrees,
    each side of 1 / (1 + stretch) to 1 / (1 - stretch) of its length, by its own draw.

    What comes in at the rim repeats the image's edge.
    """
    if rotation == stretch == 0:
        return images
    draws = 2 * torch.rand(3, len(images), generator=generator) - 1
    angle, (wide, high) = draws[0] * math.radians(rotation), 1 + stretch * draws[1:]
    zero = torch.zeros_like(angle)
    across = torch.stack([wide * angle.cos(), -wide * angle.sin(), zero], 1)
    down = torch.stack([high * angle.sin(), high * angle.cos(), zero], 1)
    maps = torch.stack([across, down], 1).to(images.device, non_blocking=True)  # (B, 2, 3), from where to take
    grid = F.affine_grid(maps, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)
