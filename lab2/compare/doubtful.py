"""Which test labels are doubtful: confident learning, from the probabilities of networks that never saw the images.

Source: Northcutt, Jiang and Chuang 2021, Journal of Artificial Intelligence Research 70:1373 (arXiv:1911.00068),
equations 1 and 2: the off-diagonal of the confident joint, which cleanlab calls `confident_learning`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab2.errors import ComparisonError


@dataclass(frozen=True, slots=True, eq=False)
class Doubts:
    """The images whose label is doubtful, in their order."""

    places: NDArray[np.intp]  # (D,) which of the N images
    classes: NDArray[np.intp]  # (D,) what the networks say instead
    probabilities: NDArray[np.float64]  # (D,) mean probability of that class
    of_label: NDArray[np.float64]  # (D,) mean probability of the label


def doubtful(labels: NDArray[np.integer], probabilities: NDArray[np.floating]) -> Doubts:
    """The doubtful ones of N labels, by the (N, C) `probabilities` of networks that were not trained on them.

    A class's threshold is the mean probability that it gets on the images with its label. An image counts for the
    likeliest of the classes that reach their thresholds. Its label is doubtful if another class is likelier there. A
    class that no image has as its label has no threshold, and is never said.

    Raises `ComparisonError` for arrays that do not fit.
    """
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1] or not len(labels):
        raise ComparisonError(f"labels {labels.shape}, probabilities {probabilities.shape}: wanted (N,) and (N, C)")
    count = probabilities.shape[1]
    if labels.min() < 0 or labels.max() >= count:
        raise ComparisonError(f"labels from {labels.min()} to {labels.max()}: wanted 0 to {count - 1}")
    own = probabilities[np.arange(len(labels)), labels]
    images = np.bincount(labels, minlength=count)
    sums = np.bincount(labels, own, count)
    thresholds = np.divide(sums, images, out=np.full(count, np.inf), where=images > 0)
    # Of equal probabilities the mean may be rounded up. cleanlab allows for the same.
    confident = np.where(probabilities >= thresholds - 1e-6, probabilities, -1.0)
    said = confident.argmax(1)
    most = confident.max(1)
    places = np.flatnonzero((most >= 0) & (most > confident[np.arange(len(labels)), labels]))
    found = probabilities[places, said[places]].astype(np.float64)
    return Doubts(places, said[places], found, own[places].astype(np.float64))
