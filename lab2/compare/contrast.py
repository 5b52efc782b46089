"""A weighted sum of accuracies with its interval: a gap averaged over some sizes, or the difference of two gaps."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lab2.compare.answer import quantile
from lab2.compare.correctness import Sample, gather, samples
from lab2.compare.resampling import Estimate
from lab2.compare.variance import estimate
from lab2.errors import ComparisonError

METHOD = "variance over paired seeds and images"


def paired_contrast(
    right: Mapping[str, ArrayLike],
    weights: Mapping[str, float],
    *,
    groups: ArrayLike | None = None,
    level: float = 0.95,
) -> Estimate:
    """sum_k weights_k accuracy_k, where seed s means the same in all, e.g. the draw of the training images.

    `right` holds (S, N) booleans for each of `weights`. With `W_si = sum_k weights_k Y_ksi` it is the mean of one
    sample, with the variance of `docs/statistics.md` for it. Raises `ComparisonError` for names that are not there,
    fewer than two seeds, or numbers of seeds that differ.
    """
    if absent := sorted(weights.keys() - right.keys()):
        raise ComparisonError(f"contrast of {', '.join(absent)}: wanted some of {', '.join(right)}")
    given = gather({name: right[name] for name in weights}, groups)
    parts = samples(given)
    if len({one.seeds for one in parts}) > 1 or parts[0].seeds == 1:
        counts = ", ".join(str(one.seeds) for one in parts)
        raise ComparisonError(f"contrast of {counts} seeds: wanted the same number for all, 2 or more")
    factors = [weights[name] for name in given.names]
    combined = Sample(
        _sum(factors, [one.by_seed for one in parts]),
        _sum(factors, [one.contributions for one in parts]),
        _sum(factors, [one.centred for one in parts]),
    )
    variance, df = estimate([combined]).alone(0)
    half = quantile((1 + level) / 2, df) * math.sqrt(variance)
    return Estimate(
        value=combined.mean,
        low=combined.mean - half,
        high=combined.mean + half,
        error=math.sqrt(variance),
        df=df,
        method=METHOD,
    )


def _sum(factors: list[float], arrays: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.tensordot(np.asarray(factors), np.stack(arrays), 1)
    return found
