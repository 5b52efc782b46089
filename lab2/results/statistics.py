"""95 % intervals: of a mean over seeds, of a share over test images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from scipy.special import betainc, stdtrit

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and its 95 % interval."""

    mean: float
    low: float
    high: float


def over_seeds(values: Sequence[float], most: float = 1.0) -> Interval:
    """The mean of two or more values in [0, `most`], one per seed, with Student's t interval clipped to that range."""
    assert len(values) >= 2
    mean = math.fsum(values) / len(values)
    error = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1) / len(values))
    half_width = float(stdtrit(len(values) - 1, (1 + LEVEL) / 2)) * error  # Student's quantile
    return Interval(mean, max(0.0, mean - half_width), min(most, mean + half_width))


def of_share(share: float, count: int) -> Interval:
    """A share of `count` test images, from a single seed, with Wilson's score interval (1927)."""
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    half_width = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return Interval(share, max(0.0, centre - half_width), min(1.0, centre + half_width))


def luck(right: int, count: int, share: float) -> float:
    """The probability of `right` or more hits in `count` draws that hit with probability `share`: how far luck goes.

    It is the p-value of the one-sided exact binomial test. Source: DLMF 8.17.5, by the incomplete beta function.
    """
    return float(betainc(right, count - right + 1, share)) if right else 1.0
