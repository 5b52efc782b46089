"""Whether two networks, one seed each, differ by a margin: Tango's score test.

The variance is that of the hypothesis, not the observed one: where few images tell the two apart, the observed one is
too small, and tests with it call networks equal too often (up to 10 % of the time at a nominal 5, by enumeration).

Source: Tango 1998, Statistics in Medicine 17:891.
"""

from __future__ import annotations

import math

from lab2.compare.answer import quantile, tail
from lab2.compare.root import root


def p_at_least(b: int, c: int, images: int, margin: float) -> float:
    """One-sided p of "the first is right more often by `margin` or more", a share of all images in (0, 1).

    `b` images only the first is right about, `c` only the second.
    """
    return tail(-_score(b, c, images, margin), math.inf)


def lower_bound(b: int, c: int, images: int, alpha: float) -> float:
    """The lower end of the one-sided interval, 1 - `alpha`, of the difference as a share of all images."""
    z, observed = quantile(1 - alpha, math.inf), (b - c) / images
    if observed <= -1:
        return -1.0
    return root(lambda share: _score(b, c, images, share) - z, -1.0 + 1e-12, observed, within=1e-10)


def _score(b: int, c: int, images: int, share: float) -> float:
    """The distance of the observed difference from `share`, in standard errors if `share` is true."""
    if share < 0:
        return -_score(c, b, images, -share)
    linear = (2 * images - b + c) * share - b - c
    only_second = (math.sqrt(linear**2 + 8 * images * c * share * (1 - share)) - linear) / (4 * images)
    variance = images * (2 * only_second + share * (1 - share))
    return (b - c - images * share) / math.sqrt(variance) if variance > 0 else 0.0
