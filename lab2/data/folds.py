"""Folds: each training image validates once in k trainings, for data too few to spare a validation part.

Stratified by a fixed seed, never through a group. The test images are the same in all folds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lab2.data.source import Images
from lab2.errors import DataError
from lab2.spec.job import DataConfig

FOLD_SEED = 20260102  # of the folds, never of a trial: all trials of a fold validate on the same images
ALWAYS_TRAINED = -1  # the fold of an image without which its class would be missing in training


def fold_sides(images: Images, config: DataConfig) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which of `images` train and which validate in fold `config.fold`, sorted. Raises `DataError` for too few."""
    assert config.fold is not None
    folds = fold_numbers(images.labels, images.groups, config.folds, config.fold_draw)
    sizes = np.bincount(folds[folds >= 0], minlength=config.folds)
    if not sizes.all():
        things = "images" if images.groups is None else "groups of images"
        raise DataError(
            f"{config.dataset}: {len(images)} training images, of which {int(sizes.sum())} may validate, are too few "
            f"{things} for data.folds={config.folds}; ask for fewer folds"
        )
    return np.flatnonzero(folds != config.fold), np.flatnonzero(folds == config.fold)


def fold_numbers(
    labels: NDArray[np.int64], groups: NDArray[np.int64] | None, folds: int, draw: int = 0
) -> NDArray[np.int64]:
    """(N,): the fold, 0 to `folds` - 1, in which each image validates, or `ALWAYS_TRAINED`.

    Without groups the folds differ by one image at most, and so does each class. With groups each class is in each
    fold with about its share. An image is always trained on where it, or its group, is all that there is of a class.
    Another `draw` gives other folds.
    """
    generator = np.random.default_rng((FOLD_SEED, draw))
    if groups is not None:
        return _by_groups(labels, groups, folds, generator)
    found = np.full(len(labels), ALWAYS_TRAINED)
    dealt = 0
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        if len(members) > 1:
            found[members] = (dealt + np.arange(len(members))) % folds  # goes on where the last class ended
            dealt += len(members)
    return found


def _by_groups(
    labels: NDArray[np.int64], groups: NDArray[np.int64], folds: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Each group, the largest first, goes into the fold that it brings nearest to its shares of the classes."""
    _, owner = np.unique(groups, return_inverse=True)
    _, label = np.unique(labels, return_inverse=True)
    counts = np.zeros((owner.max() + 1, label.max() + 1))  # of each group and class
    np.add.at(counts, (owner, label), 1)
    whole = counts.sum(0)
    shares = counts / whole
    order = generator.permutation(len(counts))
    order = order[np.argsort(-counts[order].sum(1), kind="stable")]
    filled = np.zeros((folds, len(whole)))
    chosen = np.full(len(counts), ALWAYS_TRAINED)
    for group in order:
        grown = filled + shares[group]
        # A fold may not take what is left of a class: the others would have none to train on.
        allowed = (grown < 1 - 1e-9).all(1)
        cost = ((grown - 1 / folds) ** 2 - (filled - 1 / folds) ** 2).sum(1)
        if allowed.any():
            fold = int(np.argmin(np.where(allowed, cost, np.inf)))
            chosen[group], filled[fold] = fold, grown[fold]
    return chosen[owner]
