"""All pairs together: what a pair must show when many were looked at.

The single-step method by the maximum of a multivariate t with the pairs' own degrees of freedom: Hothorn, Bretz and
Westfall 2008, Biometrical Journal 50:346; Hasler and Hothorn 2008, Biometrical Journal 50:793. Holm 1979, Scandinavian
Journal of Statistics 6:65, beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc

from lab2.compare.answer import quantile, tail
from lab2.compare.root import root

DRAWS = 1 << 17  # an adjusted p of 0.05 is then off by 0.0006
SEED = 20240126  # of a generator of its own: the same input has the same output
_CHUNK = 1 << 20  # numbers at a time
_LARGEST = 2048  # draws kept one by one; the rest are averaged in as many blocks


class MaximumT:
    """The distribution of max |T| over some pairs of K estimates, whose covariance is known but for a common factor."""

    def __init__(self, covariance: NDArray[np.float64], pairs: Sequence[tuple[int, int]]) -> None:
        """`covariance`: (K, K) of the estimates; `pairs`: of their indices, one or more."""
        self.pairs = len(pairs)
        self._maxima, self._weights = _summary(_maxima(covariance, pairs)) if len(pairs) > 1 else (np.ones(1),) * 2

    def adjusted(self, p: float, statistic: float, df: float) -> float:
        """p of one pair, given all of them: the probability that the largest |T| reaches this pair's |t|.

        `p`: the pair's own, two-sided; `statistic`: |t| with `df` that has it. Never below `p`, never above
        Bonferroni's.
        """
        bonferroni = min(1.0, self.pairs * p)
        if self.pairs == 1:
            return p
        reached = self._reached(statistic, df)
        return min(bonferroni, max(p, reached)) if reached * DRAWS >= 10 else bonferroni  # too few draws to count

    def critical(self, alpha: float, df: float) -> float:
        """|t| whose adjusted p is `alpha`, for a pair with `df`: half a simultaneous interval, in standard errors."""
        least, most = quantile(1 - alpha / 2, df), quantile(1 - alpha / 2 / self.pairs, df)

        def above(t: float) -> float:
            return self.adjusted(2 * tail(t, df), t, df) - alpha

        if self.pairs == 1 or above(least) <= 0:
            return least
        return root(above, least, most, within=1e-10) if above(most) < 0 else most

    def _reached(self, statistic: float, df: float) -> float:
        """P(max |Z| / sqrt(chi2 / df) >= statistic), over the draws of max |Z|."""
        if statistic <= 0:
            return 1.0
        if math.isinf(df):
            return float(self._weights @ (self._maxima >= statistic))
        return float(self._weights @ gammainc(df / 2, df / 2 * (self._maxima / statistic) ** 2))


def _maxima(covariance: NDArray[np.float64], pairs: Sequence[tuple[int, int]]) -> NDArray[np.float64]:
    """(DRAWS,) draws of the largest |Z| over the pairs, where Z is a difference over its error."""
    first, second = np.array(pairs).T
    values, vectors = np.linalg.eigh(covariance)
    factor = vectors * np.sqrt(np.maximum(values, 0))  # factor @ factor.T is the covariance
    contrasts = factor[first] - factor[second]  # (pairs, K)
    size = np.linalg.norm(contrasts, axis=1, keepdims=True)
    contrasts = np.divide(contrasts, size, out=np.zeros_like(contrasts), where=size > 0)  # alike in all draws: no part
    generator = np.random.default_rng(SEED)
    found = []
    rows = max(1, _CHUNK // max(1, len(pairs)))
    for start in range(0, DRAWS, rows):
        normal = generator.standard_normal((min(rows, DRAWS - start), covariance.shape[0]))
        found.append(np.abs(normal @ contrasts.T).max(1))
    return np.concatenate(found)


def _summary(draws: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The draws as fewer values with weights: the largest as they are, the rest as means of blocks."""
    ordered = np.sort(draws)
    blocks = np.array_split(ordered[:-_LARGEST], _LARGEST)
    values = np.concatenate([[block.mean() for block in blocks], ordered[-_LARGEST:]])
    weights = np.concatenate([[len(block) for block in blocks], np.ones(_LARGEST)]) / len(draws)
    return values, weights


def holm(p: Sequence[float]) -> list[float]:
    """Holm's adjusted p of each, which hold however the tests depend on one another."""
    order = np.argsort(np.asarray(p), kind="stable")
    found, largest = [1.0] * len(p), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p) - rank) * float(p[index])))
        found[index] = largest
    return found
