"""Where a function changes its sign: the ITP method.

It is written here because `scipy.optimize` takes longer to import than a report takes to compute.
Source: Oliveira and Takahashi 2020, ACM Transactions on Mathematical Software 47:5.
"""

from __future__ import annotations

import math
from collections.abc import Callable

_SPARE = 1  # evaluations beyond those of a bisection


def root(function: Callable[[float], float], least: float, most: float, *, within: float) -> float:
    """The root of `function` between `least` and `most`, where it has different signs, to `within`."""
    low, high = least, most
    at_low, at_high = function(low), function(high)
    sign = 1.0 if at_low < at_high else -1.0  # `sign * function` rises
    at_low, at_high = sign * at_low, sign * at_high
    assert at_low <= 0 <= at_high
    if at_low == 0 or at_high == 0:
        return low if at_low == 0 else high
    slack = within * 2.0 ** (max(0, math.ceil(math.log2((high - low) / (2 * within)))) + _SPARE)
    shift = 0.2 / (high - low)
    while high - low > 2 * within:
        middle, secant = (low + high) / 2, (at_high * low - at_low * high) / (at_high - at_low)
        side = math.copysign(1.0, middle - secant)
        nudge, room = shift * (high - low) ** 2, slack - (high - low) / 2
        tried = secant + side * nudge if nudge <= abs(middle - secant) else middle
        tried = tried if abs(tried - middle) <= room else middle - side * room
        value = sign * function(tried)
        if value > 0:
            high, at_high = tried, value
        elif value < 0:
            low, at_low = tried, value
        else:
            return tried
        slack /= 2
    return (low + high) / 2
