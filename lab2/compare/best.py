"""How probable it is that a row is the best of some: the share of draws of all their means in which it is first.

The draws are of a multivariate t around the observed means (`joint.py`), with the covariance of the comparison. With a
flat prior on the means that is their posterior distribution (Box and Tiao 1973, Bayesian Inference in Statistical
Analysis, 2.7; the reading: Benavoli, Corani, Demsar and Zaffalon 2017, Journal of Machine Learning Research 18:77). It
is not how often the row would win if the experiment were repeated.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lab2.compare.comparison import Comparison
from lab2.compare.joint import of_pairs

DRAWS = 1 << 17  # the standard error of a probability of one half is 0.0014


def probability_best(compared: Comparison) -> dict[str, float]:
    """By row, the probability that its accuracy is the highest of all rows of `compared`; they add up to 1.

    A row with one seed is judged as the network that was trained. Rows that are alike in a draw share it.
    """
    place = {row.name: k for k, row in enumerate(compared.rows)}
    answers = {(place[pair.first], place[pair.second]): pair.answer for pair in compared.pairs}
    means = np.array([row.mean for row in compared.rows])
    found = of_pairs(tuple(place), means, compared.covariance, answers)
    return dict(zip(place, _first(found.draws(DRAWS)).tolist(), strict=True))


def _first(drawn: NDArray[np.float64]) -> NDArray[np.float64]:
    """(K,) the share of the (D, K) draws in which each is the largest."""
    largest = drawn >= drawn.max(1, keepdims=True) - 1e-12
    shares: NDArray[np.float64] = (largest / largest.sum(1, keepdims=True)).mean(0)
    return shares
