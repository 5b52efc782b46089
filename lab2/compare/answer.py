"""One difference, three questions: an answer names the question, the method, and whose luck of seeds is not in it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from scipy.special import bdtr, betaincinv, ndtr, ndtri, stdtr, stdtrit

from lab2.compare.correctness import Sample
from lab2.compare.variance import Split


class Question(StrEnum):
    """What a difference is claimed of. All three hold for these training images and these chosen recipes."""

    NETWORKS = "these trained networks, on new images of the same kind"
    TEST_SET = "the recipes, on exactly this test set"
    RECIPES = "the recipes, on new images of the same kind"


class Method(StrEnum):
    """How an answer was found."""

    SEEDS_AND_IMAGES = "variance over seeds and images"
    PAIRED_SEEDS = "variance over paired seeds and images"
    IMAGES = "variance over images"
    MCNEMAR = "McNemar's exact test"
    WELCH = "Welch's t over seeds"
    PAIRED_T = "Student's t over paired seeds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A difference of two means, its interval and p. Differences are of figures in [0, 1], first minus second."""

    question: Question
    method: Method
    difference: float
    variance: float
    df: float  # of Student's t; inf: normal
    low: float
    high: float
    p: float  # two-sided
    uncovered: tuple[str, ...] = ()  # architectures whose luck of seeds is not in the interval: they have one seed
    discordant: tuple[int, int] | None = None  # McNemar: images that only the first, only the second is right about
    images: int | None = None  # McNemar: N

    def interval(self, alpha: float) -> tuple[float, float]:
        """The interval at another level, 1 - `alpha`, two-sided."""
        if self.discordant is not None and self.images is not None:
            return _mcnemar_interval(*self.discordant, self.images, alpha)
        return around(self.difference, self.variance, self.df, alpha)

    @property
    def statistic(self) -> float:
        """The |t|, with `df`, that has this p: for McNemar's test the normal quantile of its exact p."""
        if self.discordant is not None:
            return -quantile(self.p / 2, math.inf)
        return abs(self.difference) / math.sqrt(self.variance)


def tail(t: float, df: float) -> float:
    """P(T > t) of Student's t; df = inf: of the normal distribution."""
    return float(ndtr(-t) if math.isinf(df) else stdtr(df, -t))


def quantile(share: float, df: float) -> float:
    """Student's quantile; df = inf: the normal one."""
    return float(ndtri(share) if math.isinf(df) else stdtrit(df, share))


def around(difference: float, variance: float, df: float, alpha: float) -> tuple[float, float]:
    """difference -+ t(df) sqrt(variance), within [-1, 1]."""
    half = -quantile(alpha / 2, df) * math.sqrt(variance)
    return max(-1.0, difference - half), min(1.0, difference + half)


def _student(
    question: Question,
    method: Method,
    difference: float,
    variance: float,
    df: float,
    alpha: float,
    uncovered: tuple[str, ...] = (),
) -> Answer:
    low, high = around(difference, variance, df, alpha)
    p = min(1.0, 2 * tail(abs(difference) / math.sqrt(variance), df))
    return Answer(
        question=question, method=method, difference=difference, variance=variance, df=df, low=low, high=high, p=p,
        uncovered=uncovered,
    )  # fmt: skip


def on_new_images(
    names: tuple[str, str], first: Sample, second: Sample, split: Split, *, paired: bool, grouped: bool, alpha: float
) -> Answer:
    """Question 3, the recipes on new images. Source: statistics of Gallas et al. 2007 and Hillis 2014 (variance.py).

    Where both have one seed it is McNemar's exact test (of ungrouped images). Where one has, its network is taken as
    it is and the other's recipe is not. Either way `uncovered` names what has one seed and would differ with another.
    """
    one = tuple(name for name, sample in zip(names, (first, second), strict=True) if sample.luck_unknown)
    if first.seeds == second.seeds == 1:
        return of_networks(first, second, split, grouped=grouped, alpha=alpha, uncovered=one)
    method = Method.PAIRED_SEEDS if paired else Method.SEEDS_AND_IMAGES
    difference = first.mean - second.mean
    return _student(Question.RECIPES, method, difference, split.variance, split.df, alpha, one)


def of_networks(
    first: Sample, second: Sample, split: Split, *, grouped: bool, alpha: float, uncovered: tuple[str, ...] = ()
) -> Answer:
    """Question 1, these trained networks on new images: McNemar's exact test, or Student's t over the cases.

    Sources: McNemar 1947, Psychometrika 12:153 (one network each); the paired t over images of the mean over the
    networks (more of them); the same over groups where images belong together (Durkalski et al. 2003, Statistics in
    Medicine 22).
    """
    if first.seeds == second.seeds == 1 and not grouped:
        by_image = first.contributions - second.contributions
        b, c = int((by_image > 0).sum()), int((by_image < 0).sum())
        return mcnemar(b, c, len(by_image), alpha=alpha, uncovered=uncovered)
    difference = first.mean - second.mean
    return _student(Question.NETWORKS, Method.IMAGES, difference, split.networks, split.cases - 1, alpha, uncovered)


def mcnemar(b: int, c: int, images: int, *, alpha: float = 0.05, uncovered: tuple[str, ...] = ()) -> Answer:
    """McNemar's exact test of `b` images that only the first network is right about, and `c` that only the second is.

    The interval is Bonett and Price's (2012, Journal of Educational and Behavioral Statistics 37:479). Its end next to
    0 is exact (Clopper and Pearson 1934), so that interval and p agree about 0.
    """
    low, high = _mcnemar_interval(b, c, images, alpha)
    return Answer(
        question=Question.NETWORKS, method=Method.MCNEMAR, difference=(b - c) / images,
        variance=_adjusted(b, c, images)[1], df=math.inf, low=low, high=high, p=_exact(b, c), uncovered=uncovered,
        discordant=(b, c), images=images,
    )  # fmt: skip


def _exact(b: int, c: int) -> float:
    """p, two-sided, of the binomial test at one half, whose distribution is symmetric."""
    return min(1.0, 2 * float(bdtr(min(b, c), b + c, 0.5)))


def _adjusted(b: int, c: int, images: int) -> tuple[float, float]:
    """Difference and variance with one pseudo-image in favour of each."""
    n = images + 2
    return (b - c) / n, (b + c + 2 - (b - c) ** 2 / n) / n**2


def _mcnemar_interval(b: int, c: int, images: int, alpha: float) -> tuple[float, float]:
    centre, variance = _adjusted(b, c, images)
    low, high = around(centre, variance, math.inf, alpha)
    if (_exact(b, c) < alpha) == (low > 0 or high < 0):
        return low, high
    share = (b + c) / images
    if b > c:  # the share of b among the images that tell the two apart is at least this
        return share * (2 * float(betaincinv(b, c + 1, alpha / 2)) - 1), high
    return low, share * (2 * float(betaincinv(b + 1, c, 1 - alpha / 2)) - 1)


def on_this_test_set(first: Sample, second: Sample, *, alpha: float) -> Answer | None:
    """Question 2, the recipes on exactly these images: Welch's t over seeds (Welch 1947, Biometrika 34:28).

    None where one has a single seed, or where all seeds of both have the same figure, of which a variance cannot be
    told.
    """
    if min(first.seeds, second.seeds) == 1:
        return None
    parts = [float(one.by_seed.var(ddof=1)) / one.seeds for one in (first, second)]
    if sum(parts) < 1e-30:
        return None
    df = sum(parts) ** 2 / sum(part**2 / (one.seeds - 1) for part, one in zip(parts, (first, second), strict=True))
    return _student(Question.TEST_SET, Method.WELCH, first.mean - second.mean, sum(parts), df, alpha)


def on_this_test_set_paired(first: Sample, second: Sample, *, alpha: float) -> Answer | None:
    """Question 2 where seeds pair: Student's t of the differences seed by seed."""
    apart = first.by_seed - second.by_seed
    variance = float(apart.var(ddof=1)) / len(apart)
    if variance < 1e-30:
        return None
    return _student(Question.TEST_SET, Method.PAIRED_T, float(apart.mean()), variance, len(apart) - 1, alpha)
