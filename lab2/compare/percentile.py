"""An interval of a percentile, such as latency's, for any distribution: two of the sorted measurements.

It is written here because `scipy.stats` takes longer to import than a trial takes to start.
Source: David and Nagaraja 2003, Order Statistics, 7.1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr

from lab2.errors import ComparisonError


@dataclass(frozen=True, slots=True, kw_only=True)
class PercentileInterval:
    """Bounds in the unit of the measurements; None on a side that too few measurements leave open."""

    value: float
    low: float | None
    high: float | None


def percentile_interval(measured: ArrayLike, share: float, level: float = 0.95) -> PercentileInterval:
    """The interval of the quantile `share` (0.95: the 95th percentile) of what the n measurements, (n,), come from.

    They must be independent: of calls one after the other in one process, which share its state and its neighbours,
    the interval is of that process alone. Raises `ComparisonError` for what are no measurements.
    """
    values = np.asarray(measured, dtype=np.float64)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all() or not 0 < share < 1:
        raise ComparisonError(
            f"measurements of shape {values.shape}, share {share}: wanted finite numbers (n,) and a share in (0, 1)"
        )
    # B of the n are at most the quantile, B binomial: it lies between the l-th and the u-th where l <= B < u.
    at_most, outside = bdtr(np.arange(len(values)), len(values), share), (1 - level) / 2
    below, above = int((at_most <= outside).sum()), int((at_most < 1 - outside).sum())
    ordered = np.sort(values)
    return PercentileInterval(
        value=float(np.quantile(values, share)),
        low=float(ordered[below - 1]) if below else None,
        high=float(ordered[above]) if above < len(values) else None,
    )
