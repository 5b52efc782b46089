"""How much of a difference is luck: of the seeds, of the images, of a seed with one image.

A figure of seed s on image i is `Y_si = mu + a_s + b_i + e_si`: a is the luck of a seed on all images, b the
difficulty of an image, e what is left. This is a multi-reader multi-case analysis with seeds as readers and images as
cases.

Sources: Gallas, Pennello and Myers 2007, JOSA A 24:B70; Chen, Gallas and Yousef 2012, Pattern Recognition 45 (the
components); Hillis 2014, Statistics in Medicine 33:330 (the degrees of freedom); Satterthwaite 1946, Biometrics 2:110.
`docs/statistics.md` has the formulas, and the three places where they are amended.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab2.compare.correctness import Sample
from lab2.errors import ComparisonError

FEW = 5  # cases that differ: exact tests call no five of them significant (2 / 2^5 = 0.0625)


@dataclass(frozen=True, slots=True, kw_only=True)
class Components:
    """One architecture. Variances are of a figure in [0, 1]; None where one seed cannot tell."""

    seeds: int
    over_seeds: float | None  # s2: sample variance of the seeds' figures; estimates var_a + var_e / n
    residual: float | None  # R: estimates var_e


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """The variance of one difference of means, by its source."""

    seeds: float  # sum of s2_k / S_k; 0 for an architecture with one seed, whose luck is then not in it (or is none)
    images: float  # max(0, V_D - sum of R_k / S_k) / n
    networks: float  # V_D / n: of question 1, these trained networks on new images
    one_seed: float | None  # `seeds` if each had one: 2 (var_a + var_e / n); None where one seed cannot tell
    one_seed_squares: float  # the sum of the squares of its two parts, for the degrees of freedom of other seeds
    all_images: float  # what of `seeds` images do not make smaller: sum of var_a,k / S_k
    df: float  # Satterthwaite
    cases: int

    @property
    def variance(self) -> float:
        """V."""
        return self.seeds + self.images


@dataclass(frozen=True, slots=True, eq=False)
class Variances:
    """Covariances of K means over S_k seeds and n cases: what all pairs are computed from.

    Source: the K x K form of the estimator for two (Obuchowski and Rockette 1995, Communications in Statistics 24:285).
    """

    samples: tuple[Sample, ...]
    paired: bool  # seed s of one architecture is paired with seed s of another
    seeds: NDArray[np.float64]  # (K, K) covariance of the means by seeds; diagonal where seeds do not pair
    images: NDArray[np.float64]  # (K, K) covariance over cases of the mean over seeds
    residual: NDArray[np.float64]  # (K, K) R / S

    @property
    def cases(self) -> int:
        """n."""
        return len(self.samples[0].contributions)

    def components(self, k: int) -> Components:
        """The variance components of architecture k."""
        count = self.samples[k].seeds
        if count == 1:
            return Components(seeds=1, over_seeds=None, residual=None)
        total, residual = float(self.seeds[k, k]) * count, float(self.residual[k, k]) * count
        return Components(seeds=count, over_seeds=total, residual=residual)

    def between(self, k: int, m: int) -> Split:
        """The variance of the difference of two means: V of statistics.md, or of `W_si` where seeds pair."""
        n, first, second = self.cases, self.samples[k], self.samples[m]
        by_image, residual = _contrast(self.images, k, m), _contrast(self.residual, k, m)
        parts = self._seed_parts(k, m)
        few = _few_cases(first, second, by_image)
        images = max(0.0, by_image - residual) / n + few
        seeds = sum(part for part, _ in parts)
        spread = sum(part**2 / (count - 1) for part, count in parts if count > 1) + images**2 / (n - 1)
        return Split(
            seeds=seeds, images=images, networks=by_image / n + few, cases=n,
            df=(seeds + images) ** 2 / spread if spread > 0 else math.inf,
            one_seed=None if first.luck_unknown or second.luck_unknown else sum(part * count for part, count in parts),
            one_seed_squares=sum((part * count) ** 2 for part, count in parts),
            all_images=max(0.0, seeds - residual / n),
        )  # fmt: skip

    def alone(self, k: int) -> tuple[float, float]:
        """The variance of one mean, of seeds and images, and its degrees of freedom."""
        n, count = self.cases, self.samples[k].seeds
        by_image, residual = float(self.images[k, k]), float(self.residual[k, k])
        seeds, images = max(float(self.seeds[k, k]), residual / n), max(0.0, by_image - residual) / n
        spread = images**2 / (n - 1) + seeds**2 / max(1, count - 1)
        return seeds + images, (seeds + images) ** 2 / spread if spread > 0 else math.inf

    def _seed_parts(self, k: int, m: int) -> list[tuple[float, int]]:
        """s2 / S and S, of each architecture or of the differences of paired seeds.

        s2 estimates var_a + var_e / n, and var_a is no less than 0: so s2 is no less than R / n.
        """
        if self.paired:
            least = _contrast(self.residual, k, m) / self.cases
            return [(max(_contrast(self.seeds, k, m), least), self.samples[k].seeds)]
        return [(float(max(self.seeds[j, j], self.residual[j, j] / self.cases)), self.samples[j].seeds) for j in (k, m)]

    def covariance(self) -> NDArray[np.float64]:
        """(K, K) covariance of the means, as a whole: the nearest one with no negative variance in any direction."""
        whole = self.seeds + (self.images - self.residual) / self.cases
        floor = self.residual.diagonal() / self.cases
        if not self.paired:
            whole = whole + np.diag(np.maximum(0, floor - self.seeds.diagonal()))
        values, vectors = np.linalg.eigh((whole + whole.T) / 2)
        found: NDArray[np.float64] = (vectors * np.maximum(values, 0)) @ vectors.T
        return found


def estimate(samples: Sequence[Sample], *, paired: bool = False) -> Variances:
    """The covariances of the means of K samples over the same n cases.

    `paired`: seed s means the same for all, e.g. because it draws the subset of training images that all get. Raises
    `ComparisonError` where that is asked for and architectures differ in the number of seeds.
    """
    counts = {one.seeds for one in samples}
    if paired and (len(counts) > 1 or counts == {1}):
        raise ComparisonError(
            f"paired seeds: {', '.join(map(str, sorted(counts)))} seeds: wanted the same number for all, 2 or more"
        )
    by_case = np.stack([one.centred.mean(0) for one in samples])  # (K, n)
    n = by_case.shape[1]
    images = by_case @ by_case.T / (n - 1)
    left = [(one.centred - mean).reshape(one.seeds, n) for one, mean in zip(samples, by_case, strict=True)]
    if paired:
        count = samples[0].seeds
        seeds = np.cov(np.stack([one.by_seed for one in samples])) / count
        flat = np.stack(left).reshape(len(left), -1)
        residual = flat @ flat.T / ((count - 1) * (n - 1) * count)
    else:
        seeds = np.diag([one.by_seed.var(ddof=1) / one.seeds if one.seeds > 1 else 0.0 for one in samples])
        residual = np.diag(
            [float((rest**2).sum()) / max(1, (len(rest) - 1) * (n - 1) * len(rest)) for rest in left]
        )  # of one seed nothing is left
    return Variances(tuple(samples), paired, seeds, images, residual)


def _contrast(matrix: NDArray[np.float64], k: int, m: int) -> float:
    """Variance of the difference of k and m."""
    return float(matrix[k, k] + matrix[m, m] - matrix[k, m] - matrix[m, k])


def _few_cases(first: Sample, second: Sample, by_image: float) -> float:
    """Two pseudo-cases, one in favour of each, where hardly a case tells the two apart; else 0.

    Without them five cases of five would be "significant", and no case at all a certainty. Source: Bonett and Price
    2012, Journal of Educational and Behavioral Statistics 37:479.
    """
    apart = np.abs(first.contributions - second.contributions)
    differing = int((apart > 1e-12).sum())
    if differing > FEW and by_image > 1e-15:  # 0 but for rounding: all cases differ alike
        return 0.0
    return 2 * (float(apart.max()) if differing else 1.0) ** 2 / len(apart) ** 2
