"""The joint distribution of the accuracies of K architectures: what a figure that is made of all of them is drawn from.

Two figures of two architectures on the same test images are not independent: an easy set of images helps both. So a
rank correlation, a Pareto front or the place where two curves cross is found again in each of many draws from here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lab2.compare.correctness import gather, samples
from lab2.compare.variance import estimate

DRAWS = 4_000
SEED = 20261127  # of a generator of its own: the same input has the same output


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Joint:
    """A multivariate t. Accuracies are in [0, 1]; K architectures."""

    names: tuple[str, ...]
    means: NDArray[np.float64]  # (K,)
    covariance: NDArray[np.float64]  # (K, K) of the means: of seeds and images, as in `variance.py`
    df: float  # the median over all pairs of Satterthwaite's; inf: normal

    def draws(self, count: int = DRAWS) -> NDArray[np.float64]:
        """(count, K) draws of all means together."""
        generator = np.random.default_rng(SEED)
        values, vectors = np.linalg.eigh(self.covariance)
        root = vectors * np.sqrt(np.maximum(values, 0))  # root @ root.T is the covariance
        noise = generator.standard_normal((count, len(self.means))) @ root.T
        if np.isfinite(self.df):
            noise *= np.sqrt(self.df / generator.chisquare(self.df, (count, 1)))
        found: NDArray[np.float64] = self.means + noise
        return found


def joint(
    right: Mapping[str, ArrayLike],
    *,
    groups: ArrayLike | None = None,
    paired_seeds: bool = False,
    fixed: Collection[str] = (),
) -> Joint:
    """The joint distribution of the means; the arguments are those of `comparison.compare`.

    The luck of seeds of an architecture with one seed is not in it. Raises `ComparisonError`.
    """
    given = gather(right, groups)
    parts = [replace(one, fixed=name in fixed) for name, one in zip(given.names, samples(given), strict=True)]
    variances = estimate(parts, paired=paired_seeds)
    count = len(parts)
    dfs = [variances.between(k, m).df for k in range(count) for m in range(k + 1, count)]
    return Joint(
        names=given.names,
        means=np.array([one.mean for one in parts]),
        covariance=variances.covariance(),
        df=float(np.median(dfs)),
    )


def interval(draws: NDArray[np.float64], alpha: float = 0.05) -> tuple[float, float]:
    """The central 1 - `alpha` of some draws."""
    low, high = np.quantile(draws, [alpha / 2, 1 - alpha / 2])
    return float(low), float(high)
