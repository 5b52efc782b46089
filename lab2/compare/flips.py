"""The images about which two runs of a recipe disagree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Flips:
    """Places of images, of N, that were right and are wrong now, and the other way; the largest changes first."""

    lost: NDArray[np.intp]
    gained: NDArray[np.intp]
    before: NDArray[np.float64]  # (N,) share of the seeds that were right
    after: NDArray[np.float64]


def flips(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> Flips:
    """Which images flipped. `before`, `after`: (S, N) booleans, of the same N images.

    An image counts as right where more than half of the seeds are right about it.
    """
    shares = before.mean(0), after.mean(0)
    right = [share > 0.5 for share in shares]  # a share of exactly one half is exact in float64
    change = shares[1] - shares[0]
    lost, gained = np.flatnonzero(right[0] & ~right[1]), np.flatnonzero(right[1] & ~right[0])
    return Flips(
        lost[np.argsort(change[lost], kind="stable")], gained[np.argsort(-change[gained], kind="stable")], *shares
    )
