"""An interval of a percentile, such as latency's, for any distribution: two of the sorted measurements.

Source: David and Nagaraja 2003, Order Statistics, 7.1; scipy's `quantile_test` computes it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import quantile_test

from lab2.errors import ComparisonError


@dataclass(frozen=True, slots=True, kw_only=True)
class PercentileInterval:
    """Bounds in the unit of the measurements; None on a side that too few measurements leave open."""

    value: float
    low: float | None
    high: float | None
    level: float
    method: str = "order statistics (binomial), distribution-free"


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
    found: Any = quantile_test(values, p=share).confidence_interval(level)  # its stubs say float
    low, high = (None if math.isnan(bound) else float(bound) for bound in (found.low, found.high))
    return PercentileInterval(value=float(np.quantile(values, share)), low=low, high=high, level=level)
