"""Whether one order predicts another: Kendall's tau of a known number and an accuracy that is known with error.

Two things are uncertain. The networks are some of many that could have been chosen: they are drawn with replacement
(bootstrap). The accuracy of each is measured with few seeds on some images: it is drawn from its joint distribution.

Sources: Kendall 1938, Biometrika 30:81, in its form b for ties (Kendall 1945, Biometrika 33:239); Efron 1979, Annals
of Statistics 7:1 (bootstrap, percentile interval).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from lab2.compare.joint import Joint, interval
from lab2.errors import ComparisonError

FEWEST = 5  # networks: with fewer no interval says anything
_DRAWS = 2_000
_SEED = 20261128


@dataclass(frozen=True, slots=True, kw_only=True)
class RankCorrelation:
    """Kendall's tau in [-1, 1] with its 95 % interval."""

    tau: float
    low: float
    high: float
    spearman: float  # Spearman's rho of the same
    networks: int


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
    means = np.take_along_axis(accuracy.draws(_DRAWS), chosen, 1)
    low, high = interval(_tau(known[chosen], means))
    rho = spearmanr(known, accuracy.means).statistic
    tau = float(_tau(known[None], accuracy.means[None])[0])
    return RankCorrelation(tau=tau, low=low, high=high, spearman=float(rho), networks=len(known))


def _tau(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """(D,) tau b of each row of the (D, K) `x` and `y`; 0 where all values of a row are equal."""
    across, down = (np.sign(one[:, :, None] - one[:, None, :]) for one in (x, y))  # (D, K, K)
    together = (across * down).sum((1, 2))
    untied = np.sqrt(np.abs(across).sum((1, 2)) * np.abs(down).sum((1, 2)))
    found: NDArray[np.float64] = np.divide(together, untied, out=np.zeros_like(together), where=untied > 0)
    return found
