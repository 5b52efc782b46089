"""Whether one order predicts another: Kendall's tau of a known number and an accuracy that is known with error.

Two things are uncertain. The networks are some of many that could have been chosen: they are drawn with replacement
(bootstrap). The accuracy of each is measured with few seeds on some images. That error is in the measured accuracies,
so it is in each draw of networks already. It also draws tau towards 0: accuracies of which little but noise is known
have no order that anything could predict. So `reliability` says how much of their order is known.

Sources: Kendall 1938, Biometrika 30:81, in its form b for ties (Kendall 1945, Biometrika 33:239); Efron 1979, Annals
of Statistics 7:1 (bootstrap, percentile interval).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from lab2.compare.answer import tail
from lab2.compare.joint import Joint, interval
from lab2.errors import ComparisonError

FEWEST = 5  # networks: with fewer no interval says anything
_DRAWS = 2_000
_SEED = 20261128
_NOTHING = 1e-30  # a variance that is rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class RankCorrelation:
    """Kendall's tau in [-1, 1] with its 95 % interval."""

    tau: float
    low: float
    high: float
    spearman: float  # Spearman's rho of the same
    networks: int
    reliability: (
        float  # mean of 1 - p over all pairs of accuracies: 1 where their order is known, 0.5 where all is noise
    )


def rank_correlation(numbers: Sequence[float], accuracy: Joint) -> RankCorrelation:
    """The rank correlation of `numbers`, one for each of the K architectures, with their accuracies.

    Raises `ComparisonError` for fewer than `FEWEST` architectures, or where all numbers are equal.
    """
    known = np.asarray(numbers, float)
    if known.shape != accuracy.means.shape or len(known) < FEWEST or np.ptp(known) == 0:
        raise ComparisonError(
            f"rank correlation of {len(known)} numbers and {len(accuracy.means)} accuracies: wanted as many of both, "
            f"{FEWEST} or more, and not all numbers equal"
        )
    generator = np.random.default_rng(_SEED)
    chosen = generator.integers(len(known), size=(_DRAWS, len(known)))
    low, high = interval(_tau(known[chosen], accuracy.means[chosen]))
    rho = spearmanr(known, accuracy.means).statistic
    tau = float(_tau(known[None], accuracy.means[None])[0])
    return RankCorrelation(
        tau=tau, low=low, high=high, spearman=float(rho), networks=len(known), reliability=_reliability(accuracy)
    )


def _reliability(accuracy: Joint) -> float:
    """The mean of 1 - p over all pairs, each by itself; two that nothing tells apart have p = 1."""
    known = []
    for k, m in combinations(range(len(accuracy.means)), 2):
        apart = abs(float(accuracy.means[k] - accuracy.means[m]))
        spread = accuracy.covariance[[k, m], [k, m]].sum() - 2 * accuracy.covariance[k, m]
        known.append(1 - 2 * tail(apart / math.sqrt(max(float(spread), _NOTHING)), accuracy.df))
    return float(np.mean(known))


def _tau(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """(D,) tau b of each row of the (D, K) `x` and `y`; 0 where all values of a row are equal."""
    across, down = (np.sign(one[:, :, None] - one[:, None, :]) for one in (x, y))  # (D, K, K)
    together = (across * down).sum((1, 2))
    untied = np.sqrt(np.abs(across).sum((1, 2)) * np.abs(down).sum((1, 2)))
    found: NDArray[np.float64] = np.divide(together, untied, out=np.zeros_like(together), where=untied > 0)
    return found
