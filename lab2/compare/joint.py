"""The joint distribution of the accuracies of K architectures: what a figure that is made of all of them is drawn from.

Two figures of two architectures on the same test images are not independent: an easy set of images helps both. So a
rank correlation, a Pareto front or the place where two curves cross is found again in each of many draws from here.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lab2.compare.answer import Answer, on_new_images
from lab2.compare.correctness import gather, samples
from lab2.compare.variance import estimate

DRAWS = 4_000
ALPHA = 0.05  # of the pairs' intervals, which nothing here reads
SEED = 20261127  # of a generator of its own: the same input has the same output


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Joint:
    """A multivariate t. Accuracies are in [0, 1]; K architectures."""

    names: tuple[str, ...]
    means: NDArray[np.float64]  # (K,)
    covariance: NDArray[np.float64]  # (K, K) of the means: of seeds and images, no surer than any pair's test
    df: float  # the fewest of all pairs; inf: normal

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
    answers = {
        (k, m): on_new_images(
            (given.names[k], given.names[m]), parts[k], parts[m], variances.between(k, m), paired=paired_seeds,
            grouped=groups is not None, alpha=ALPHA,
        )
        for k, m in combinations(range(len(parts)), 2)
    }  # fmt: skip
    return of_pairs(given.names, np.array([one.mean for one in parts]), variances.covariance(), answers)


def of_pairs(
    names: tuple[str, ...],
    means: NDArray[np.float64],
    covariance: NDArray[np.float64],
    answers: Mapping[tuple[int, int], Answer],
) -> Joint:
    """The joint distribution of K means, no surer of a difference than the answer to its pair.

    The diagonal of the (K, K) `covariance` is raised until each difference has at least the variance of its answer.
    That can be larger: it adds pseudo-images where few images distinguish the pair, and sets negative components to 0.
    The degrees of freedom are the fewest of the answers. `answers`: by the places of both.
    """
    added = np.zeros(len(names))
    for (k, m), answer in answers.items():
        lacking = answer.variance - float(covariance[k, k] + covariance[m, m] - covariance[k, m] - covariance[m, k])
        for one in (k, m):
            added[one] = max(added[one], lacking / 2)
    df = min((answer.df for answer in answers.values()), default=math.inf)
    return Joint(names=names, means=means, covariance=covariance + np.diag(added), df=df)


def interval(draws: NDArray[np.float64], alpha: float = 0.05) -> tuple[float, float]:
    """The central 1 - `alpha` of some draws."""
    low, high = np.quantile(draws, [alpha / 2, 1 - alpha / 2])
    return float(low), float(high)
