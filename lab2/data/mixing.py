"""Mixup and CutMix: each image of a batch mixed with another one of it, and their labels in the same proportion."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class MixedLabels:
    """The labels of images that are mixed of two."""

    first: Tensor  # (B,) int64
    second: Tensor  # (B,) int64
    share: Tensor  # (B,) float32, of the first; the second has the rest

    def as_probabilities(self, classes: int) -> Tensor:
        """(B, K) float32; each row sums to 1."""
        each = torch.arange(classes, device=self.first.device)
        first, second = ((labels[:, None] == each).float() for labels in (self.first, self.second))
        return self.share[:, None] * first + (1 - self.share[:, None]) * second


def mix(
    images: Tensor, labels: Tensor, alpha_mixup: float, alpha_cutmix: float, generator: torch.Generator
) -> tuple[Tensor, Tensor | MixedLabels]:
    """(B, C, S, S) images and (B,) labels, mixed by mixup or CutMix: by that whose alpha is not 0.

    Where neither is 0, each batch draws one of them, evenly. Each batch draws one share, from Beta(alpha, alpha).
    """
    methods = [(alpha, way) for alpha, way in ((alpha_mixup, mixup), (alpha_cutmix, cutmix)) if alpha]
    if not methods:
        return images, labels
    (drawn,) = torch.randint(len(methods), (1,), generator=generator).tolist()
    alpha, way = methods[drawn]
    partner = torch.randperm(len(images), generator=generator).to(images.device, non_blocking=True)
    mixed, share = way(images, images[partner], _from_beta(alpha, generator), generator)
    return mixed, MixedLabels(labels, labels[partner], share)


def mixup(images: Tensor, others: Tensor, share: float, _generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """`share` of the images plus the rest of the others, both (B, C, S, S); and the share of each, (B,).

    Source: Zhang et al. 2017 (arXiv:1710.09412).
    """
    return share * images + (1 - share) * others, images.new_full((len(images),), share)


def cutmix(images: Tensor, others: Tensor, share: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The images with a square of the others, both (B, C, S, S); and the share of each that is left, (B,).

    Source: Yun et al. 2019 (arXiv:1905.04899). The square has 1 - `share` of the area, its centre lies anywhere, and
    what of it lies outside is cut off: what is left may be more than `share`.
    Differs: each image draws a centre of its own.
    """
    side = images.shape[-1]
    half = side * math.sqrt(1 - share) / 2  # pixels
    centre = side * torch.rand(2, len(images), 1, generator=generator)
    pixel = torch.arange(side)
    inside = ((centre - half).round() <= pixel) & (pixel < (centre + half).round())  # (2, B, S)
    left = 1 - inside.sum(2).prod(0) / side**2
    rows, columns = inside.to(images.device, non_blocking=True)
    square = rows[:, None, :, None] & columns[:, None, None, :]  # (B, 1, S, S)
    return torch.where(square, others, images), left.to(images.device, non_blocking=True)


def _from_beta(alpha: float, generator: torch.Generator) -> float:
    """A draw from Beta(alpha, alpha). torch's own takes no generator, so numpy draws, from a seed of `generator`."""
    seed = torch.randint(2**63 - 1, (1,), generator=generator).tolist()
    return float(np.random.default_rng(seed).beta(alpha, alpha))
