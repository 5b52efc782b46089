"""Batched augmentation, on the device that the images lie on. Each image has draws of its own.

All draws come from the given generator, on the CPU: its state alone decides the bits. Images are (B, C, S, S) float32
in [0, 1], C is 1 or 3.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

ASPECT = 4 / 3  # of a crop's longer side to its shorter one, at most
LUMA = (0.2989, 0.587, 0.114)  # of red, green and blue in grey: ITU-R BT.601, as Pillow and torchvision have it


def shift(images: Tensor, pixels: int, generator: torch.Generator) -> Tensor:
    """Each of the (B, C, S, S) images moved by its own draw from -pixels .. pixels, both ways.

    What comes in at the rim repeats the image's edge, so no background colour is assumed.
    """
    if pixels == 0:
        return images
    count, _, side, _ = images.shape
    draws = torch.randint(2 * pixels + 1, (2, count, 1), generator=generator).to(images.device, non_blocking=True)
    places = torch.arange(-pixels, side - pixels, device=images.device)
    rows, columns = (draws + places).clamp(0, side - 1)  # (B, S) each
    batch = torch.arange(count, device=images.device)[:, None, None]
    moved = images.permute(0, 2, 3, 1)[batch, rows[:, :, None], columns[:, None, :]]  # (B, S, S, C)
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
    return resample(images, torch.stack([across, down], 1))


def crop(images: Tensor, smallest: float, generator: torch.Generator) -> Tensor:
    """A rectangle of each of the (B, C, S, S) images, resized to S x S, bilinearly.

    Source: Szegedy et al. 2014 (arXiv:1409.4842), section 6. The area is uniform in [smallest, 1] of the image's, the
    logarithm of the aspect ratio uniform in 3/4 .. 4/3.
    Differs: of these ratios only those are drawn whose rectangle fits into the image, where torchvision draws anew
    until one fits, and so large areas less often.
    """
    if smallest == 1:
        return images
    draws = torch.rand(4, len(images), generator=generator)
    area = 1 - (1 - smallest) * draws[0]
    widest = area.reciprocal().clamp(max=ASPECT).log()  # of the width to the height: both are 1 at most
    ratio = (widest * (2 * draws[1] - 1)).exp()
    wide, high = (area * ratio).sqrt(), (area / ratio).sqrt()
    left, top = 2 * draws[2:] - 1
    zero = torch.zeros_like(area)
    across = torch.stack([wide, zero, (1 - wide) * left], 1)
    down = torch.stack([zero, high, (1 - high) * top], 1)
    return resample(images, torch.stack([across, down], 1))


def flip(images: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """Each of the (B, C, S, S) images mirrored, left to right, with `probability`."""
    if probability == 0:
        return images
    mirrored = (torch.rand(len(images), generator=generator) < probability).to(images.device, non_blocking=True)
    return images.flip(3).where(mirrored[:, None, None, None], images)


def jitter(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Brightness, then contrast, then saturation of each of the (B, C, S, S) images times a draw of its own.

    Each factor is uniform in 1 - strength .. 1 + strength.
    """
    if strength == 0:
        return images
    draws = 2 * torch.rand(3, len(images), 1, 1, 1, generator=generator) - 1
    brightness, contrast, saturation = (1 + strength * draws).to(images.device, non_blocking=True)
    return saturate(contrasted(brighten(images, brightness), contrast), saturation)


def resample(images: Tensor, maps: Tensor) -> Tensor:
    """Each of the (B, C, S, S) images at the places that its one of the (B, 2, 3) `maps` says, bilinearly.

    A map takes (x, y, 1) of a pixel to where its value is taken from; x and y are -1 and 1 at the image's edges.
    Beyond them the image's edge is repeated.
    """
    grid = F.affine_grid(maps.to(images.device, non_blocking=True), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def brighten(images: Tensor, factor: Tensor) -> Tensor:
    """The images times `factor` (B, 1, 1, 1), at most 1."""
    return blend(images, torch.zeros_like(images), factor)


def contrasted(images: Tensor, factor: Tensor) -> Tensor:
    """The distance of each image to its mean grey times `factor` (B, 1, 1, 1)."""
    return blend(images, grey(images).mean((1, 2, 3), keepdim=True), factor)


def saturate(images: Tensor, factor: Tensor) -> Tensor:
    """The distance of each pixel to its grey times `factor` (B, 1, 1, 1). A grey image stays as it is."""
    return images if images.shape[1] == 1 else blend(images, grey(images), factor)


def blend(images: Tensor, others: Tensor, factor: Tensor) -> Tensor:
    """At factor 1 the images, at 0 the others; beyond 1 away from the others. Values stay in [0, 1]."""
    return (factor * images + (1 - factor) * others).clamp(0, 1)


def grey(images: Tensor) -> Tensor:
    """(B, 1, S, S) of (B, C, S, S)."""
    if images.shape[1] == 1:
        return images
    weighted: Tensor = images * images.new_tensor(LUMA)[:, None, None]
    return weighted.sum(1, keepdim=True)
