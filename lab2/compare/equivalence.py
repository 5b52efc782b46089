"""Equality that is shown, not assumed: two one-sided tests against a margin that is stated beforehand.

Source: Schuirmann 1987, Journal of Pharmacokinetics and Biopharmaceutics 15:657.
"""

from __future__ import annotations

import math

from lab2.compare.answer import tail
from lab2.errors import ComparisonError

LEAST_MARGIN = 0.001  # a tenth of a point


def default_margin(images: int) -> float:
    """0.001, or 1 / sqrt(N) where that is more: what N test images can hope to tell."""
    return max(LEAST_MARGIN, 1 / math.sqrt(images))


def check_margin(margin: float) -> float:
    """The margin, where it is one. Raises `ComparisonError` outside of (0, 1)."""
    if not 0 < margin < 1:
        raise ComparisonError(f"margin {margin}: wanted a difference in (0, 1), such as 0.001 (0.1 points)")
    return margin


def tost(difference: float, variance: float, df: float, margin: float) -> float:
    """p of "they differ by `margin` or more". Below alpha, the 1 - 2 alpha interval lies within +-margin."""
    error = math.sqrt(variance)
    return max(tail((margin - difference) / error, df), tail((margin + difference) / error, df))
