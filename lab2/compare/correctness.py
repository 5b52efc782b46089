"""The input: which of the same test images each seed of each architecture is right about.

Shapes: K architectures, S_k seeds of architecture k, N test images, n cases. A case is what was drawn independently: an
image, or a group of images that belong together (one writer, patient, scene).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lab2.errors import ComparisonError


@dataclass(frozen=True, slots=True, eq=False)
class Correctness:
    """Checked input of a comparison: right or wrong, of the same N images in the same order."""

    names: tuple[str, ...]  # K
    right: tuple[NDArray[np.bool_], ...]  # K arrays, (S_k, N)
    groups: NDArray[np.intp] | None = None  # (N,), 0 to n - 1

    @property
    def images(self) -> int:
        """N."""
        return int(self.right[0].shape[1])

    @property
    def cases(self) -> int:
        """n: the groups, or the images."""
        return self.images if self.groups is None else int(self.groups.max()) + 1


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A figure (accuracy, or another one's pseudo-values) of S seeds of one architecture, split into n cases.

    `contributions` averages over the cases to the seed's figure. `centred` is what is left of a case when that figure
    is taken away, and its mean over the cases is 0.

    Where groups differ in size, accuracy is a ratio of two sums over groups. `centred` is then its linearisation
    (Cochran 1977, Sampling Techniques, 6.3; for correctness of clustered images Rao and Scott 1992, Biometrics 48:577).
    """

    by_seed: NDArray[np.float64]  # (S,)
    contributions: NDArray[np.float64]  # (n,), mean over the seeds
    centred: NDArray[np.float64]  # (S, n)
    fixed: bool = False  # no seed changes it: its one seed is all that there are

    @property
    def seeds(self) -> int:
        """S."""
        return len(self.by_seed)

    @property
    def mean(self) -> float:
        """The figure's mean over the seeds."""
        return float(self.by_seed.mean())

    @property
    def luck_unknown(self) -> bool:
        """Whether nobody can know how much its seeds vary: it has one, and others would differ."""
        return self.seeds == 1 and not self.fixed


def gather(right: Mapping[str, ArrayLike], groups: ArrayLike | None = None, *, least: int = 2) -> Correctness:
    """Check the input. `right`: for each architecture (S_k, N) booleans; `groups`: (N,) of any labels.

    Raises `ComparisonError` where there are fewer than `least` architectures or two cases, or where shapes or types do
    not fit.
    """
    if len(right) < least:
        raise ComparisonError(f"{len(right)} architecture(s) to compare: wanted two or more")
    arrays = {name: np.asarray(one) for name, one in right.items()}
    images = {name: one.shape[1] for name, one in arrays.items() if one.ndim == 2}
    for name, one in arrays.items():
        if one.ndim != 2 or one.dtype != np.bool_ or 0 in one.shape:
            raise ComparisonError(
                f"{name}: correctness is {one.dtype} of shape {one.shape}: wanted booleans of shape (seeds, images)"
            )
    if len(set(images.values())) > 1:
        found = ", ".join(f"{name} {count}" for name, count in images.items())
        raise ComparisonError(f"test images differ in number ({found}): wanted the same images in the same order")
    codes = None if groups is None else _codes(np.asarray(groups), next(iter(images.values())))
    correctness = Correctness(tuple(arrays), tuple(arrays.values()), codes)
    if correctness.cases < 2:
        raise ComparisonError(f"{correctness.cases} case (image or group) to compare on: wanted two or more")
    return correctness


def _codes(groups: NDArray[np.generic], images: int) -> NDArray[np.intp]:
    if groups.shape != (images,):
        raise ComparisonError(f"groups have shape {groups.shape}: wanted ({images},), a group for each test image")
    codes: NDArray[np.intp] = np.unique(groups, return_inverse=True)[1].astype(np.intp)
    return codes


def samples(correctness: Correctness) -> list[Sample]:
    """The accuracy of each architecture, split into cases."""
    count, n, groups = correctness.images, correctness.cases, correctness.groups
    found = []
    for right in correctness.right:
        by_seed = right.mean(1)
        if groups is None:
            mean, centred = right.mean(0), right - by_seed[:, None]
        else:
            sizes = np.bincount(groups, minlength=n)
            sums = np.stack([np.bincount(groups, one, n) for one in right])  # (S, n)
            mean, centred = sums.mean(0) * n / count, (sums - by_seed[:, None] * sizes) * n / count
        found.append(Sample(by_seed, mean, centred))
    return found
