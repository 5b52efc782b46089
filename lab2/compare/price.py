"""What more would decide an open pair: so many seeds, or none can and so many test images would.

The sample size of a two-sided test at level alpha with power 1 - beta for a difference d that one cares about, from the
variance components at hand: `S* = 2 (var_a + var_e / N) / [(d / (z_{alpha/2} + z_beta))^2 - var_Delta / N]`.
Source: solved from V of variance.py; Hillis, Obuchowski and Berbaum 2011, Academic Radiology 18:129 (sizing such
studies).

d is the margin, or another difference that matters to whoever asks. The *observed* difference is none: "the power that
the study had for what it found" is a function of its p and says nothing more (Hoenig and Heisey 2001, The American
Statistician 55:19). A price for d = the observed difference answers "what if it were exactly that", and is very
uncertain.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from lab2.compare.answer import quantile, tail
from lab2.compare.variance import Split
from lab2.errors import ComparisonError

POWER = 0.8


class Need(StrEnum):
    """What an open pair is short of."""

    SEEDS = "seeds"
    IMAGES = "images"  # no number of seeds decides it on these test images, or no seed changes either
    SECOND_SEED = "a second seed"  # of each: one seed does not tell how much seeds vary


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What decides a pair if its true difference is `difference`, with probability `power`."""

    need: Need
    difference: float  # d
    power: float
    seeds: int | None  # S*, of each architecture in all, on these images; None: no number, or not known
    images: int | None  # test images (or groups) in all from which on some number of seeds decides; None: not known
    images_at_hand: int | None  # test images in all that decide with the seeds at hand; None: no number, or not known


def price(
    split: Split,
    difference: float,
    *,
    critical: float | None = None,
    alpha: float = 0.05,
    power: float = POWER,
) -> Price:
    """The price of one pair.

    `critical`: normal quantile that stands for z_{alpha/2} where pairs are adjusted for one another. Quantiles are
    normal ones: with few seeds Student's are larger, so a price of two or three seeds is a lower bound.
    Raises `ComparisonError` for a difference or a power that cannot be.
    """
    if not 0 < difference < 1 or not 0.5 <= power < 1:
        raise ComparisonError(
            f"difference {difference}, power {power}: wanted a difference in (0, 1) and a power in [0.5, 1)"
        )
    z = (quantile(1 - alpha / 2, math.inf) if critical is None else critical) + quantile(power, math.inf)
    allowed = (difference / z) ** 2  # V must be this or less
    if split.one_seed is None:
        return Price(
            need=Need.SECOND_SEED, difference=difference, power=power, seeds=None, images=None, images_at_hand=None
        )
    left = allowed - split.images
    by_seeds = left > 0 and split.one_seed > 0
    return Price(
        need=Need.SEEDS if by_seeds else Need.IMAGES, difference=difference, power=power,
        seeds=_whole(split.one_seed / left) if by_seeds else None,
        images=_whole(split.cases * split.images / allowed),
        images_at_hand=_images(split, allowed),
    )  # fmt: skip


def power_of(split: Split, difference: float, seeds: int, critical: float) -> float | None:
    """The probability that so many `seeds` of each find a true `difference`; None where one seed cannot tell.

    `critical` and quantiles are as in `price`.
    """
    if split.one_seed is None:
        return None
    variance = split.one_seed / seeds + split.images
    return tail(critical - difference / math.sqrt(variance), math.inf) if variance > 0 else 1.0


def _images(split: Split, allowed: float) -> int | None:
    """Cases at which V is `allowed` with the seeds at hand; None where luck of seeds on all images is more."""
    left = allowed - split.all_images
    return _whole(split.cases * (split.variance - split.all_images) / left) if left > 0 else None


def _whole(count: float) -> int:
    return max(2, math.ceil(count - 1e-9))
