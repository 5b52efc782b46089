"""An interval of a percentile (latency's, say) that supposes no distribution: two of the sorted measurements.

Source: David and Nagaraja 2003, Order Statistics, 7.1; Hahn and Meeker 1991, Statistical Intervals, 5.2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binom

from lab2.errors import ComparisonError


@dataclass(frozen=True, slots=True, kw_only=True)
class PercentileInterval:
    """Bounds in the unit of the measurements; None where so few measurements bound it not on that side."""

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
    ordered = np.sort(np.asarray(measured, dtype=np.float64))
    if ordered.ndim != 1 or not len(ordered) or not np.isfinite(ordered).all() or not 0 < share < 1:
        raise ComparisonError(
            f"measurements of shape {ordered.shape}, share {share}: wanted finite numbers (n,) and a share in (0, 1)"
        )
    n, error = len(ordered), (1 - level) / 2
    below = int(binom.ppf(error, n, share))  # measurements below the quantile: B ~ Bin(n, share)
    if binom.cdf(below, n, share) > error:
        below -= 1
    # x_(l) is above the quantile with P(B <= l - 1); x_(u) is below it with P(B >= u).
    lower = below + 1
    upper = int(binom.ppf(1 - error, n, share)) + 1
    return PercentileInterval(
        value=float(np.quantile(ordered, share)),
        low=float(ordered[lower - 1]) if lower >= 1 else None,
        high=float(ordered[upper - 1]) if upper <= n else None,
        level=level,
    )
