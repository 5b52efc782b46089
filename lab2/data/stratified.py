"""A draw of which each class has its share: scikit-learn's, number for number, without its second of imports.

Source: scikit-learn 1.9.1, `StratifiedShuffleSplit` and `_approximate_mode` (tests/test_stratified.py compares). The
draws must not change: they say which images are for validation, in every run that there is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def stratified(labels: NDArray[np.int64], size: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(the rest, `size` of the indices of the (N,) `labels`), what `train_test_split(stratify=labels)` gives.

    Raises `ValueError` where a class has a single member, or a side cannot have one of each class.
    """
    classes, members = np.unique(labels, return_inverse=True)
    counts = np.bincount(members)
    if not 0 < size < len(labels):
        raise ValueError(f"wanted 1 to {len(labels) - 1} of {len(labels)}")
    if counts.min() < 2:
        raise ValueError(f"class {classes[counts.argmin()]} has only 1 of them")
    for side in (len(labels) - size, size):
        if side < len(classes):
            raise ValueError(f"{side} on one side are fewer than the {len(classes)} classes")
    of_class = np.split(np.argsort(members, kind="mergesort"), np.cumsum(counts)[:-1])
    random = np.random.RandomState(seed)
    kept = _shares(counts, len(labels) - size, random)
    taken = _shares(counts - kept, size, random)
    sides: tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]] = ([], [])
    for members_of, here, there in zip(of_class, kept, taken, strict=True):
        order = members_of[random.permutation(len(members_of))]
        sides[0].append(order[:here])
        sides[1].append(order[here : here + there])
    rest, drawn = (random.permutation(np.concatenate(side)) for side in sides)
    return rest, drawn


def _shares(counts: NDArray[np.int64], size: int, random: np.random.RandomState) -> NDArray[np.int64]:
    """`size` shared out in proportion to `counts`: the likeliest draw, ties broken by chance."""
    exact = counts / counts.sum() * size
    whole = np.floor(exact)
    missing = int(size - whole.sum())
    rests = exact - whole
    for rest in np.sort(np.unique(rests))[::-1]:
        if not missing:
            break
        (tied,) = np.where(rests == rest)
        more = min(len(tied), missing)
        whole[random.choice(tied, size=more, replace=False)] += 1
        missing -= more
    shares: NDArray[np.int64] = whole.astype(np.int64)
    return shares
