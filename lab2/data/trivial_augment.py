"""TrivialAugment: one random operation of random strength for each image.

Source: Müller and Hutter 2021 (arXiv:2103.10158), its "wide" space: 14 operations, 31 strengths.
Differs: values between pixels are bilinear, not the nearest; beyond its rim an image's edge is repeated, where the
authors' code puts black.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.v2 import functional

from lab2.data.augment import blend, brighten, contrasted, resample, saturate

STRENGTHS = 31
FARTHEST = 32  # pixels
LARGEST_ANGLE = 135  # degrees
LARGEST = 0.99  # shear, and change of brightness, colour, contrast and sharpness

# (B, C, S, S) images in [0, 1] and the strength of each, (B, 1, 1, 1) in [-1, 1], to such images.
Operation = Callable[[Tensor, Tensor], Tensor]


def trivial_augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each of the (B, C, S, S) images in [0, 1] after its own draw of one of `OPERATIONS`, of strength and sign."""
    count = len(images)
    drawn = torch.randint(len(OPERATIONS), (count,), generator=generator)
    strength = torch.randint(STRENGTHS, (count,), generator=generator) / (STRENGTHS - 1)
    strength *= 2 * torch.randint(2, (count,), generator=generator) - 1
    order = drawn.argsort(stable=True)  # images of one operation together, so that it is called once
    place = order.argsort().to(images.device, non_blocking=True)
    counts = drawn.bincount(minlength=len(OPERATIONS)).tolist()
    groups = images[order.to(images.device, non_blocking=True)].split(counts)
    strengths = strength[order].to(images.device, non_blocking=True).view(-1, 1, 1, 1).split(counts)
    each = zip(OPERATIONS.values(), groups, strengths, strict=True)
    return torch.cat([operation(group, its) for operation, group, its in each if len(group)])[place]


def identity(images: Tensor, _strength: Tensor) -> Tensor:
    return images


def shear(images: Tensor, strength: Tensor, *, axis: int) -> Tensor:
    """Rows (axis 0) or columns (axis 1) moved in proportion to their distance from the first."""
    maps = _unmoved(images)
    factor = LARGEST * strength.flatten()
    maps[:, axis, 1 - axis] = factor
    maps[:, axis, 2] = factor  # the first row has the coordinate -1
    return resample(images, maps)


def translate(images: Tensor, strength: Tensor, *, axis: int) -> Tensor:
    """Moved by whole pixels, across (axis 0) or down (axis 1)."""
    maps = _unmoved(images)
    maps[:, axis, 2] = (FARTHEST * strength.flatten()).trunc() * 2 / images.shape[-1]
    return resample(images, maps)


def rotate(images: Tensor, strength: Tensor) -> Tensor:
    angle = math.radians(LARGEST_ANGLE) * strength.flatten()
    maps = _unmoved(images)
    maps[:, 0, 0] = maps[:, 1, 1] = angle.cos()
    maps[:, 0, 1], maps[:, 1, 0] = -angle.sin(), angle.sin()
    return resample(images, maps)


def brightness(images: Tensor, strength: Tensor) -> Tensor:
    return brighten(images, 1 + LARGEST * strength)


def colour(images: Tensor, strength: Tensor) -> Tensor:
    return saturate(images, 1 + LARGEST * strength)


def contrast(images: Tensor, strength: Tensor) -> Tensor:
    return contrasted(images, 1 + LARGEST * strength)


def sharpness(images: Tensor, strength: Tensor) -> Tensor:
    """Away from the smoothed image, or towards it. The rim, one pixel, stays as it is."""
    if images.shape[-1] < 3:
        return images
    kernel = images.new_ones(3, 3)
    kernel[1, 1] = 5
    inner = F.conv2d(images.flatten(0, 1)[:, None], kernel[None, None] / 13).view_as(images[..., 1:-1, 1:-1])
    smooth = images.clone()
    smooth[..., 1:-1, 1:-1] = inner
    return blend(images, smooth, 1 + LARGEST * strength)


def posterize(images: Tensor, strength: Tensor) -> Tensor:
    """The highest 8 to 2 bits of each value."""
    dropped = (6 * strength.abs()).round().int()
    return ((_to_bytes(images).int() >> dropped) << dropped) / 255


def solarize(images: Tensor, strength: Tensor) -> Tensor:
    """Values from a threshold on inverted; the stronger, the lower it is."""
    return torch.where(images >= 1 - strength.abs(), 1 - images, images)


def auto_contrast(images: Tensor, _strength: Tensor) -> Tensor:
    """Each channel stretched to 0 .. 1; one of a single value stays as it is."""
    low, high = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
    flat = high == low
    return torch.where(flat, images, (images - low) / (high - low).masked_fill(flat, 1))


def equalize(images: Tensor, _strength: Tensor) -> Tensor:
    """Each channel's values spread so that they are about equally frequent."""
    spread: Tensor = functional.equalize(_to_bytes(images))
    return spread / 255


OPERATIONS: dict[str, Operation] = {
    "Identity": identity,
    "ShearX": partial(shear, axis=0),
    "ShearY": partial(shear, axis=1),
    "TranslateX": partial(translate, axis=0),
    "TranslateY": partial(translate, axis=1),
    "Rotate": rotate,
    "Brightness": brightness,
    "Color": colour,
    "Contrast": contrast,
    "Sharpness": sharpness,
    "Posterize": posterize,
    "Solarize": solarize,
    "AutoContrast": auto_contrast,
    "Equalize": equalize,
}


def _unmoved(images: Tensor) -> Tensor:
    """(B, 2, 3) maps for `resample` under which every pixel stays where it is."""
    return torch.eye(2, 3, device=images.device).repeat(len(images), 1, 1)


def _to_bytes(images: Tensor) -> Tensor:
    return (255 * images).round().to(torch.uint8)
