"""Intervals: how far a number may be from what another run, or other test images, would give."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from scipy.special import stdtrit

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and its 95 % interval."""

    mean: float
    low: float
    high: float


def over_seeds(values: Sequence[float]) -> Interval:
    """Mean of two or more repetitions of a share with Student's t interval, as far as it lies in [0, 1]."""
    assert len(values) >= 2
    mean = math.fsum(values) / len(values)
    error = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1) / len(values))
    reach = float(stdtrit(len(values) - 1, (1 + LEVEL) / 2)) * error  # Student's quantile
    return Interval(mean, max(0.0, mean - reach), min(1.0, mean + reach))


def of_share(share: float, count: int) -> Interval:
    """A share of `count` test images with Wilson's score interval (1927): for a single repetition."""
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    reach = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return Interval(share, max(0.0, centre - reach), min(1.0, centre + reach))
