"""Figures of all images as functions of sums over images, so that images can be left out.

Shapes: S seeds, N test images, C classes, J blocks of images, M sums. A block is every J-th image, or every J-th
group.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lab2.errors import ComparisonError

Figure = Callable[[NDArray[np.float64]], NDArray[np.float64]]  # (..., M) totals to (...) figures

BLOCKS = 200
BINS = 15


def blocks_of(images: int, groups: NDArray[np.generic] | None = None) -> NDArray[np.intp]:
    """(N,) the block of each image, of `BLOCKS` at most: image i is in block i mod `BLOCKS`, a group in one block."""
    if groups is None:
        return np.arange(images, dtype=np.intp) % min(images, BLOCKS)
    codes: NDArray[np.intp] = np.unique(groups, return_inverse=True)[1].astype(np.intp)
    return codes % BLOCKS


def f1_sums(
    truth: NDArray[np.integer], answers: NDArray[np.integer], classes: int, blocks: NDArray[np.intp]
) -> NDArray[np.float64]:
    """(S, J, 3 C): right answers, answers and images of each class. `truth` (N,), `answers` (S, N); -1: no answer."""
    if answers.ndim != 2 or truth.shape != answers.shape[1:] or blocks.shape != truth.shape:
        raise ComparisonError(
            f"truth {truth.shape}, answers {answers.shape}, blocks {blocks.shape}: wanted (N,), (S, N), (N,)"
        )
    count = int(blocks.max()) + 1
    images = _counts(blocks * classes + truth, count, classes)
    found = []
    for answer in answers:
        given, right = answer >= 0, answer == truth
        answered = _counts((blocks * classes + answer)[given], count, classes)
        found.append(np.concatenate([_counts((blocks * classes + truth)[right], count, classes), answered, images], 1))
    return np.stack(found)


def _counts(index: NDArray[np.intp], blocks: int, classes: int) -> NDArray[np.float64]:
    return np.bincount(index, minlength=blocks * classes).reshape(blocks, classes).astype(np.float64)


def macro_f1(totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of F1 = 2 right / (answers + images) over the classes that have images."""
    right, answers, images = np.split(totals, 3, -1)
    f1 = np.divide(2 * right, answers + images, out=np.zeros_like(right), where=images > 0)
    mean: NDArray[np.float64] = f1.sum(-1) / (images > 0).sum(-1)
    return mean


def balanced_accuracy(totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., 3 C) sums of `f1_sums` to (...): the mean recall over the classes that have images."""
    right, _, images = np.split(totals, 3, -1)
    recall = np.divide(right, images, out=np.zeros_like(right), where=images > 0)
    mean: NDArray[np.float64] = recall.sum(-1) / (images > 0).sum(-1)
    return mean


def mean_sums(values: NDArray[np.floating], blocks: NDArray[np.intp]) -> NDArray[np.float64]:
    """(S, J, 2): sums of the `values`, (S, N), such as each image's loss; the images. Raises `ComparisonError`."""
    if values.ndim != 2 or blocks.shape != values.shape[1:]:
        raise ComparisonError(f"values {values.shape}, blocks {blocks.shape}: wanted (S, N), (N,)")
    images = np.bincount(blocks)
    return np.stack([np.stack([np.bincount(blocks, one, len(images)), images], -1) for one in values])


def mean(totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., 2) sums of `mean_sums` to (...): the mean over images."""
    found: NDArray[np.float64] = totals[..., 0] / totals[..., 1]
    return found


def calibration_sums(
    confidence: NDArray[np.floating], right: NDArray[np.bool_], blocks: NDArray[np.intp], bins: int = BINS
) -> NDArray[np.float64]:
    """(S, J, 2 bins + 1): each bin's sums of confidence and of right answers; the images. Inputs: (S, N), (N,)."""
    if confidence.shape != right.shape or confidence.ndim != 2 or blocks.shape != confidence.shape[1:]:
        raise ComparisonError(
            f"confidence {confidence.shape}, right {right.shape}, blocks {blocks.shape}: wanted (S, N), (S, N), (N,)"
        )
    count = int(blocks.max()) + 1
    found = []
    for sure, correct in zip(confidence, right, strict=True):
        place = blocks * bins + np.clip(np.ceil(sure * bins).astype(np.intp) - 1, 0, bins - 1)  # (0, 1/15], ...
        sums = [np.bincount(place, what, count * bins).reshape(count, bins) for what in (sure, correct)]
        images = np.bincount(blocks, minlength=count)[:, None]
        found.append(np.concatenate([*sums, images], 1))
    return np.stack(found)


def calibration_error(totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Expected calibration error (Guo et al. 2017, arXiv:1706.04599, equation 3) from `calibration_sums`."""
    sure, right = np.split(totals[..., :-1], 2, -1)
    error: NDArray[np.float64] = np.abs(sure - right).sum(-1) / totals[..., -1]
    return error
