"""The fixed validation split and the limits: seeded, stratified, the same for every trial."""

from __future__ import annotations

import numpy as np
from sklearn.model_selection import train_test_split

from lab2.data.source import Images
from lab2.errors import DataError
from lab2.spec.job import DataConfig

SPLIT_SEED = 20260101  # of the split, never of a trial: all trials validate on the same images
ONE_IN = 12  # 5,000 of MNIST's 60,000


def split(images: Images, config: DataConfig) -> tuple[Images, Images]:
    """Training and validation images; raises `DataError` where there are too few."""
    classes = len(np.unique(images.labels))
    size = config.validation_images or max(len(images) // ONE_IN, classes)
    train, validation = _part(images, size, config.dataset, "validation_images")
    return draw(train, config.train_images, config.dataset, "train_images"), validation


def draw(images: Images, limit: int | None, dataset: str, setting: str) -> Images:
    """All of `images`, or `limit` of them, each class in its share; `setting` is what asks for that limit."""
    if limit is None or limit >= len(images):
        return images
    if len(images) - limit < len(np.unique(images.labels)):  # too few to be a part of their own
        return images.take(np.sort(np.random.default_rng(SPLIT_SEED).permutation(len(images))[:limit]))
    return _part(images, limit, dataset, setting)[1]


def _part(images: Images, size: int, dataset: str, setting: str) -> tuple[Images, Images]:
    """(the rest, `size` of the images), both in their original order."""
    try:
        rest, taken = train_test_split(
            np.arange(len(images)), test_size=size, random_state=SPLIT_SEED, stratify=images.labels
        )
    except ValueError as error:  # too few of a class, or more than there are
        raise DataError(
            f"{dataset}: cannot take data.{setting}={size} of {len(images)} images, each class in its share: {error}"
        ) from error
    return images.take(np.sort(rest)), images.take(np.sort(taken))
