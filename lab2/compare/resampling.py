"""Intervals of figures without a closed form: jackknife and pigeonhole bootstrap, over images and over seeds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab2.compare.answer import quantile
from lab2.compare.correctness import Sample
from lab2.compare.figures import Figure
from lab2.compare.variance import estimate
from lab2.errors import ComparisonError

DRAWS = 1_000
SEED = 2007
_CHUNK = 1 << 20  # numbers at a time
JACKKNIFE = "jackknife over images and seeds"
PIGEONHOLE = "pigeonhole bootstrap over images and seeds (conservative)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A figure, or the difference of two, with its interval and how that was found. Of recipes, on new images."""

    value: float
    low: float
    high: float
    error: float  # standard error
    df: float
    method: str


def pseudo_values(sums: NDArray[np.float64], figure: Figure) -> Sample:
    """The figure of each seed, split into blocks by leaving out each: what `variance.estimate` takes, as for accuracy.

    `sums`: (S, J, M) of `figures.py`. The block's part is `J f - (J - 1) f_without`. Sources: Dorfman, Berbaum and Metz
    1992, Investigative Radiology 27:723 (pseudo-values of readers and cases); Kott 2001, Journal of Official Statistics
    17:521 (leaving out blocks). For smooth figures: macro F1 is one, the calibration error is not.
    """
    _check(sums)
    totals = sums.sum(1, keepdims=True)  # (S, 1, M)
    whole, without = figure(totals[:, 0]), figure(totals - sums)  # (S,), (S, J)
    count = sums.shape[1]
    parts = count * whole[:, None] - (count - 1) * without
    return Sample(whole, parts.mean(0), parts - parts.mean(1, keepdims=True))


def jackknife(
    sums: NDArray[np.float64], figure: Figure, against: NDArray[np.float64] | None = None, *, level: float = 0.95
) -> Estimate:
    """The interval of a figure, or of its difference to that of `against`, from `pseudo_values`.

    With one seed it is of that network alone.
    """
    first = pseudo_values(sums, figure)
    if against is not None:
        second = pseudo_values(against, figure)
        _same_blocks(sums, against)
        split = estimate([first, second]).between(0, 1)
        return _estimate(first.mean - second.mean, math.sqrt(split.variance), split.df, level, JACKKNIFE)
    variance, df = estimate([first]).alone(0)
    return _estimate(first.mean, math.sqrt(variance), df, level, JACKKNIFE)


def pigeonhole(
    sums: NDArray[np.float64],
    figure: Figure,
    against: NDArray[np.float64] | None = None,
    *,
    level: float = 0.95,
    draws: int = DRAWS,
) -> Estimate:
    """The interval of a figure, or of its difference to that of `against`: seeds and blocks are drawn independently.

    Conservative: the luck of a seed with one image is counted up to three times. S - 1 of S seeds are drawn, so that
    the variance over few seeds is not too small. The interval is the estimate -+ t(S - 1) errors. With one seed it is
    of that network alone. Sources: Owen 2007, Annals of Applied Statistics 1:386; Rao and Wu 1988, JASA 83:231 (S - 1
    of S).
    """
    sides = [sums] if against is None else [sums, against]
    for side in sides:
        _check(side)
    _same_blocks(sums, sides[-1])
    generator = np.random.default_rng(SEED)
    count = sums.shape[1]
    by_block = [side.transpose(1, 0, 2).reshape(count, -1) for side in sides]  # (J, S M)
    at_once = max(1, min(draws, _CHUNK // max(side.shape[1] for side in by_block)))
    found = np.zeros(draws)
    for start in range(0, draws, at_once):
        some = min(at_once, draws - start)
        blocks = generator.multinomial(count, np.full(count, 1 / count), size=some).astype(np.float64)
        for sign, side, flat in zip((1, -1), sides, by_block, strict=False):
            seeds, kinds = len(side), side.shape[2]
            drawn = generator.multinomial(max(1, seeds - 1), np.full(seeds, 1 / seeds), size=some)
            each = figure((blocks @ flat).reshape(some, seeds, kinds))
            found[start : start + some] += sign * (each * drawn).sum(1) / drawn.sum(1)
    value = sum(sign * float(figure(side.sum(1)).mean()) for sign, side in zip((1, -1), sides, strict=False))
    several = [len(side) - 1 for side in sides if len(side) > 1]
    return _estimate(value, float(found.std(ddof=1)), min(several, default=count - 1), level, PIGEONHOLE)


def _estimate(value: float, error: float, df: float, level: float, method: str) -> Estimate:
    half = quantile((1 + level) / 2, df) * error
    return Estimate(value=value, low=value - half, high=value + half, error=error, df=df, method=method)


def _check(sums: NDArray[np.float64]) -> None:
    if sums.ndim != 3 or sums.shape[0] < 1 or sums.shape[1] < 2:
        raise ComparisonError(f"sums of shape {sums.shape}: wanted (seeds, blocks, sums), two blocks or more")


def _same_blocks(sums: NDArray[np.float64], against: NDArray[np.float64]) -> None:
    if sums.shape[1] != against.shape[1]:
        raise ComparisonError(f"blocks differ: {sums.shape} and {against.shape}: wanted the same images in both")
