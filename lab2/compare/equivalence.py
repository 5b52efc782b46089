"""Equality that is shown, not assumed: two one-sided tests against a margin that is stated beforehand.

Source: Schuirmann 1987, Journal of Pharmacokinetics and Biopharmaceutics 15:657.
"""

from __future__ import annotations

import math

from lab2.compare.answer import Answer, tail
from lab2.compare.score import lower_bound, p_at_least
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


def p_differ(answer: Answer, margin: float) -> float:
    """p of "they differ by `margin` or more": of one network each by Tango's score, else by Student's t."""
    if answer.discordant is None or answer.images is None:
        return tost(answer.difference, answer.variance, answer.df, margin)
    b, c = answer.discordant
    return max(p_at_least(b, c, answer.images, margin), p_at_least(c, b, answer.images, margin))


def lower_end(answer: Answer, alpha: float) -> float:
    """The lower end of the one-sided interval, 1 - `alpha`, of the difference, by the same two."""
    if answer.discordant is None or answer.images is None:
        return answer.interval(2 * alpha)[0]
    return lower_bound(*answer.discordant, answer.images, alpha)


def tost(difference: float, variance: float, df: float, margin: float) -> float:
    """p of "they differ by `margin` or more". Below alpha, the 1 - 2 alpha interval lies within +-margin."""
    error = math.sqrt(variance)
    return max(tail((margin - difference) / error, df), tail((margin + difference) / error, df))
