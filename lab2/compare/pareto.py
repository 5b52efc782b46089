"""The Pareto front of accuracy and a cost, each point with the probability that it is on it.

Shapes: D draws, K networks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_SEED = 20261129


def on_front(accuracies: NDArray[np.float64], costs: NDArray[np.float64]) -> NDArray[np.float64]:
    """(K,) the share of the (D, K) draws in which no other network is as accurate and as cheap, and better in one."""
    count = accuracies.shape[1]
    found = np.empty(count)
    for k in range(count):
        accuracy, cost = accuracies[:, k : k + 1], costs[:, k : k + 1]
        no_worse = (accuracies >= accuracy) & (costs <= cost)
        better = (accuracies > accuracy) | (costs < cost)
        found[k] = 1 - (no_worse & better).any(1).mean()
    return found


def cost_draws(measured: Sequence[Sequence[float]], count: int) -> NDArray[np.float64]:
    """(count, K) draws of the mean cost of each network, from its measurements, one or more, above 0.

    A cost errs by a share of itself: the deviation of its logarithm, pooled over the networks, as each has few
    measurements; Student's t with the pooled degrees of freedom. What never varies is known: a number of parameters.
    """
    logs = [np.log(np.asarray(one, float)) for one in measured]
    df = sum(len(one) - 1 for one in logs)
    means = np.array([one.mean() for one in logs])
    squares = sum(float(((one - one.mean()) ** 2).sum()) for one in logs)
    if df == 0 or squares == 0:
        return np.tile(np.exp(means), (count, 1))
    errors = np.sqrt(squares / df / np.array([len(one) for one in logs]))
    generator = np.random.default_rng(_SEED)
    found: NDArray[np.float64] = np.exp(means + errors * generator.standard_t(df, (count, len(logs))))
    return found
