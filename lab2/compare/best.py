"""How probable it is that a row is the best of some: the share of draws of all their means in which it is first.

The draws are of a multivariate t around the observed means, with the covariance of the comparison. With a flat prior on
the means that is their posterior distribution (Box and Tiao 1973, Bayesian Inference in Statistical Analysis, 2.7; the
reading: Benavoli, Corani, Demsar and Zaffalon 2017, Journal of Machine Learning Research 18:77). It is not how often
the row would win if the experiment were repeated.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lab2.compare.comparison import Comparison

DRAWS = 1 << 17  # a probability of one half is then off by 0.0014
SEED = 17370612  # of a generator of its own: the same input has the same output
_CHUNK = 1 << 14  # draws at a time


def probability_best(compared: Comparison) -> dict[str, float]:
    """By row, the probability that its accuracy is the highest of all rows of `compared`; they add up to 1.

    Degrees of freedom are the fewest of the pairs. A row with one seed is judged as the network that was trained.
    Rows that are alike in a draw share it.
    """
    means = np.array([row.mean for row in compared.rows])
    df = min((pair.answer.df for pair in compared.pairs), default=math.inf)
    shares = _first(means, _no_surer_than_pairs(compared), df)
    return {row.name: float(share) for row, share in zip(compared.rows, shares, strict=True)}


def _no_surer_than_pairs(compared: Comparison) -> NDArray[np.float64]:
    """(K, K) the covariance, with as much added to its diagonal that no difference varies less than its pair's answer.

    A pair's answer has a few pseudo-images where hardly an image tells the two apart, and no negative component.
    """
    place = {row.name: k for k, row in enumerate(compared.rows)}
    found, added = compared.covariance, np.zeros(len(place))
    for pair in compared.pairs:
        k, m = place[pair.first], place[pair.second]
        lacking = pair.answer.variance - float(found[k, k] + found[m, m] - found[k, m] - found[m, k])
        for one in (k, m):
            added[one] = max(added[one], lacking / 2)
    return found + np.diag(added)


def _first(means: NDArray[np.float64], covariance: NDArray[np.float64], df: float) -> NDArray[np.float64]:
    """(K,) the share of draws in which each is the largest."""
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0))  # root @ root.T is the covariance
    generator = np.random.default_rng(SEED)
    won = np.zeros(len(means))
    for start in range(0, DRAWS, _CHUNK):
        count = min(_CHUNK, DRAWS - start)
        apart = generator.standard_normal((count, len(means))) @ root.T
        if not math.isinf(df):
            apart /= np.sqrt(generator.chisquare(df, (count, 1)) / df)
        drawn = means + apart
        largest = drawn >= drawn.max(1, keepdims=True) - 1e-12
        won += (largest / largest.sum(1, keepdims=True)).sum(0)
    return won / DRAWS
