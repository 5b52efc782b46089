"""What more would decide an open pair: so many seeds, or none can and so many test images would.

The sample size of a two-sided test at level alpha with power 1 - beta for a difference d that one cares about, from the
variance components at hand: `S* = 2 (var_a + var_e / N) / [(d / (z_{alpha/2} + z_beta))^2 - var_Delta / N]` with normal
quantiles is too few, as few seeds have few degrees of freedom. From there on seeds are added until the test, by
Student's t with the degrees of freedom that so many seeds have, has the power (by the noncentral t).
Source: solved from V of variance.py; Hillis, Obuchowski and Berbaum 2011, Academic Radiology 18:129 (sizing such
studies).

d is the margin, or another difference that matters to whoever asks. The *observed* difference is none: "the power that
the study had for what it found" is a function of its p and says nothing more (Hoenig and Heisey 2001, The American
Statistician 55:19). A price for d = the observed difference answers "what if it were exactly that", and is very
uncertain.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from scipy.special import nctdtr

from lab2.compare.answer import quantile, tail
from lab2.compare.variance import Split
from lab2.errors import ComparisonError

POWER = 0.8
ENDLESS = 1e5  # degrees of freedom from which on t is normal


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


Critical = Callable[[float], float]  # |t| at which a test with so many degrees of freedom shows a difference


def price(
    split: Split,
    difference: float,
    *,
    critical: Critical | None = None,
    alpha: float = 0.05,
    power: float = POWER,
) -> Price:
    """The price of one pair. `critical`: of the test, where it is not one of this pair alone at `alpha`, two-sided.

    Raises `ComparisonError` for a difference or a power that cannot be.
    """
    if not 0 < difference < 1 or not 0.5 <= power < 1:
        raise ComparisonError(
            f"difference {difference}, power {power}: wanted a difference in (0, 1) and a power in [0.5, 1)"
        )
    if split.one_seed is None:
        return Price(
            need=Need.SECOND_SEED, difference=difference, power=power, seeds=None, images=None, images_at_hand=None
        )
    shows = critical or (lambda df: quantile(1 - alpha / 2, df))
    allowed, at_hand = ((difference / (shows(df) + quantile(power, df))) ** 2 for df in (math.inf, split.df))
    left = allowed - split.images  # V must be `allowed` or less
    by_seeds = left > 0 and split.one_seed > 0
    seeds = _seeds(split, difference, shows, power, _whole(split.one_seed / left)) if by_seeds else None
    images = _whole(split.cases * split.images / allowed)
    if by_seeds and seeds is None:  # by normal quantiles these images were just enough
        images = max(images, split.cases + 1)
    return Price(
        need=Need.IMAGES if seeds is None else Need.SEEDS, difference=difference, power=power, seeds=seeds,
        images=images,
        images_at_hand=_images(split, at_hand),
    )  # fmt: skip


def power_of(split: Split, difference: float, seeds: int, critical: Critical) -> float | None:
    """The probability that so many `seeds` of each find a true `difference`; None where one seed cannot tell."""
    if split.one_seed is None:
        return None
    variance = split.one_seed / seeds + split.images
    if variance <= 0:
        return 1.0
    spread = split.one_seed_squares / seeds**2 / (seeds - 1) + split.images**2 / (split.cases - 1)
    df = variance**2 / spread if spread > 0 else math.inf
    shift = difference / math.sqrt(variance)
    return tail(critical(math.inf) - shift, math.inf) if df > ENDLESS else float(1 - nctdtr(df, shift, critical(df)))


def _seeds(split: Split, difference: float, critical: Critical, power: float, least: int) -> int | None:
    """The first number that has the power, from `least`, which normal quantiles ask for, to a few times as many."""
    for seeds in range(least, 4 * least + 20, max(1, least // 50)):
        if (power_of(split, difference, seeds, critical) or 0.0) >= power:
            return seeds
    return None


def _images(split: Split, allowed: float) -> int | None:
    """Cases at which V is `allowed` with the seeds at hand; None where luck of seeds on all images is more."""
    left = allowed - split.all_images
    return _whole(split.cases * (split.variance - split.all_images) / left) if left > 0 else None


def _whole(count: float) -> int:
    return max(2, math.ceil(count - 1e-9))
