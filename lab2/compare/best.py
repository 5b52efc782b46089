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
from scipy.stats import multivariate_t

from lab2.compare.comparison import Comparison

DRAWS = 1 << 17  # the standard error of a probability of one half is 0.0014
SEED = 17370612  # of a generator of its own: the same input has the same output


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
    """(K, K) the covariance, its diagonal raised until each difference has at least the variance of its pair's test.

    That variance can be larger: it adds pseudo-images where few images distinguish the pair, and sets negative
    components to 0.
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
    # scipy's stubs want a whole number of degrees of freedom; its manual does not.
    joint = multivariate_t(means, covariance, df=df, allow_singular=True)  # type: ignore[arg-type]
    drawn = joint.rvs(DRAWS, random_state=SEED)
    drawn = np.asarray(drawn).reshape(DRAWS, len(means))
    largest = drawn >= drawn.max(1, keepdims=True) - 1e-12
    shares: NDArray[np.float64] = (largest / largest.sum(1, keepdims=True)).mean(0)
    return shares
