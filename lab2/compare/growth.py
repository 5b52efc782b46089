"""How a cost grows with the size of its input: the exponent, and where a quadratic part outweighs a linear one.

A measured cost has a part that does not grow: the start of each operation, a library's memory. A slope on log scales is
too small by it. So the exponent is taken of what is added: with `y = a + b x^e` and sizes of equal ratios,
`(y3 - y2) / (y2 - y1) = (x3 / x2)^e`, whatever a and b are.
Shapes: R repeats, n sizes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from lab2.compare.answer import quantile
from lab2.errors import ComparisonError

NOTHING = 1e-6  # share of the largest cost: a part that is less is rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A number and its interval, Student's over repeats."""

    value: float
    low: float
    high: float


def exponent(sizes: NDArray[np.float64], costs: NDArray[np.float64], alpha: float = 0.05) -> Measured | None:
    """The exponent between the three largest of the n `sizes`, of the (R, n) `costs` of independent repeats.

    Its interval holds it in 1 - `alpha` of the cases.

    None where a cost does not grow there in each repeat. Raises `ComparisonError` for fewer than two repeats or three
    sizes, or where the three largest sizes are not of equal ratios.
    """
    _check(sizes, costs)
    ratio = sizes[-1] / sizes[-2]
    if not math.isclose(ratio, sizes[-2] / sizes[-3], rel_tol=1e-6):
        raise ComparisonError(f"sizes {sizes[-3:].tolist()}: wanted the three largest in equal ratios")
    first, second = costs[:, -2] - costs[:, -3], costs[:, -1] - costs[:, -2]
    if min(first.min(), second.min()) <= 0:
        return None
    return _over_repeats(np.log(second / first) / math.log(ratio), alpha)


def where_quadratic_outweighs(sizes: NDArray[np.float64], costs: NDArray[np.float64]) -> Measured | None:
    """The size at which the quadratic part of `y = a + b x + c x^2` equals the linear one: b / c.

    Fitted to each repeat by least squares of relative errors; a, b and c are not below 0. None where in a repeat one
    of the two parts is 0. Raises `ComparisonError` as `exponent` does.
    """
    _check(sizes, costs)
    places = []
    for cost in costs:
        scaled = sizes / sizes[-1]
        terms = np.stack([np.ones_like(scaled), scaled, scaled**2], 1) / cost[:, None]
        _, linear, quadratic = nnls(terms, np.ones_like(scaled))[0]
        if min(linear, quadratic) < NOTHING * cost[-1]:
            return None
        places.append(math.log(linear / quadratic * sizes[-1]))
    found = _over_repeats(np.array(places))
    return Measured(value=math.exp(found.value), low=math.exp(found.low), high=math.exp(found.high))


def _check(sizes: NDArray[np.float64], costs: NDArray[np.float64]) -> None:
    if len(sizes) < 3 or costs.shape[1:] != sizes.shape or len(costs) < 2 or not (np.diff(sizes) > 0).all():
        raise ComparisonError(
            f"costs of shape {costs.shape} at {len(sizes)} sizes: wanted (repeats, sizes), two repeats or more of "
            "three sizes or more, in rising order"
        )


def _over_repeats(values: NDArray[np.float64], alpha: float = 0.05) -> Measured:
    count, mean = len(values), float(values.mean())
    half = quantile(1 - alpha / 2, count - 1) * float(values.std(ddof=1)) / math.sqrt(count)
    return Measured(value=mean, low=mean - half, high=mean + half)
