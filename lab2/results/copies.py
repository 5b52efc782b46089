"""Copies of one test image: whoever is right about one is right about all, so together they are one case."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Copies count as images of their own where that makes an interval a hundredth too short at most. Pictures that come n_i
# times among n give a mean (sum of n_i squared) / n times the variance: the design effect (Kish 1965, Survey Sampling).
MOST_EFFECT = 1.02


def copies_among(images: NDArray[np.uint64]) -> int:
    """How many of the (N,) identities came before; 0 where they may count for themselves."""
    times = np.unique(images, return_counts=True)[1]
    return len(images) - len(times) if (times**2).sum() > MOST_EFFECT * len(images) else 0


def as_cases(images: NDArray[np.uint64], groups: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """(N,) groups in which copies of one image are together, and with them the groups that they are of.

    They are connected components, found here because importing `scipy.sparse.csgraph` would add 0.07 s to each report.
    """
    links = [np.unique(one, return_inverse=True)[1] for one in (images, groups) if one is not None]
    found = np.arange(len(images))
    while True:  # what is linked gets the least number among it
        before = found
        for link in links:
            least = np.full(len(images), len(images))
            np.minimum.at(least, link, found)
            found = least[link]
        if (found == before).all():
            return found
