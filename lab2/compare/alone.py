"""One architecture by itself: the interval of its accuracy on new images of the same kind."""

from __future__ import annotations

from numpy.typing import ArrayLike

from lab2.compare.answer import around
from lab2.compare.correctness import gather, samples
from lab2.compare.variance import estimate


def alone(right: ArrayLike, *, groups: ArrayLike | None = None, alpha: float = 0.05) -> tuple[float, float] | None:
    """The interval, 1 - `alpha`, of the mean over seeds: of the recipe on new images (question 3).

    `right` are (S, N) booleans, `groups` (N,) labels of any kind. None with one seed, which does not know the luck of
    seeds. Where all seeds are right about all images, or wrong, its ends are equal: it then says nothing. Raises
    `ComparisonError` for a single image or group, and for other shapes or types.
    """
    (sample,) = samples(gather({"it": right}, groups, least=1))
    if sample.seeds == 1:
        return None
    low, high = around(sample.mean, *estimate([sample]).alone(0), alpha)
    return max(0.0, low), high
