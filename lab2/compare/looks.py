"""Looks that are planned beforehand: test after so many seeds, and stop when it is decided, at a total error of alpha.

Sources: Lan and DeMets 1983, Biometrika 70:659 (alpha spending; O'Brien and Fleming's type); Armitage, McPherson and
Rowe 1969, JRSS A 132:235 (the integral); Jennison and Turnbull 1989, JRSS B 51:305 (repeated confidence intervals, and
p); Jennison and Turnbull 2000, Group Sequential Methods, 4.4 (t by its p).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from lab2.compare.root import root
from lab2.errors import ComparisonError

_FAR = 9.0  # beyond it the integral resolves nothing
_LEAST, _MOST = 1e-300, 0.999  # of an alpha that `Look.adjusted` tries


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One of the planned looks, at a pair that was chosen among several.

    The pair is judged at alpha / pairs (Bonferroni), because it was chosen when all pairs had been seen.
    """

    seeds: tuple[int, ...]  # of all planned looks, this one's and the later ones' included
    number: int  # of this one, from 1
    pairs: int

    def level(self, alpha: float) -> float:
        """The level, two-sided, of the pair's own p and interval at this look, for a total error of `alpha`.

        The interval of that level is the repeated confidence interval: those of all looks hold together with 1 -
        `alpha`, whatever makes one stop.
        """
        return levels(self.seeds, alpha / self.pairs)[self.number - 1]

    def adjusted(self, p: float) -> float:
        """The repeated p of the pair's own `p`, two-sided: the least alpha with which this look would stop."""

        def lacking(log_alpha: float) -> float:
            return levels(self.seeds, math.exp(log_alpha))[self.number - 1] - p

        least, most = math.log(max(p, _LEAST)), math.log(_MOST)
        if p >= _MOST or lacking(most) < 0:
            return 1.0
        overall = p if lacking(least) >= 0 else math.exp(root(lacking, least, most, within=1e-9))
        return min(1.0, self.pairs * overall)


def levels(seeds: Sequence[int], alpha: float = 0.05) -> tuple[float, ...]:
    """The two-sided p at or below which each of the looks stops, after these numbers of seeds: 2 or more, increasing.

    Information is counted in seeds. Of question 3 the images' part of the variance does not shrink with seeds, so
    estimates at two looks are more alike than this supposes: the total error is then below alpha. Raises
    `ComparisonError`.
    """
    if not seeds or seeds[0] < 2 or any(b <= a for a, b in pairwise(seeds)) or not 0 < alpha < 1:
        raise ComparisonError(
            f"looks after {', '.join(map(str, seeds)) or 'no'} seeds at level {alpha}: "
            "wanted increasing numbers from 2 on, and a level in (0, 1)"
        )
    bounds = boundaries([count / seeds[-1] for count in seeds], alpha)
    return tuple(float(2 * ndtr(-bound)) for bound in bounds)


def spent(fraction: float, alpha: float) -> float:
    """alpha spent up to this fraction of the information: O'Brien and Fleming's type, alpha / 2 on each side."""
    return float(4 * ndtr(ndtri(alpha / 4) / math.sqrt(fraction)))


def boundaries(fractions: Sequence[float], alpha: float) -> list[float]:
    """|z| at which to stop, for increasing fractions of the information, the last of which is 1.

    The score is a Brownian motion. Its density, where no look has stopped it, is carried from look to look on the
    nodes of Gauss and Legendre.
    """
    found: list[float] = []
    at, before = 0.0, 0.0
    grid, weights = _gauss_legendre()
    nodes, mass = np.zeros(1), np.ones(1)
    for fraction in fractions:
        step, scale = math.sqrt(fraction - at), math.sqrt(fraction)
        found.append(_bound(spent(fraction, alpha) - before, nodes, mass, step, scale))
        before = spent(fraction, alpha)
        edge = min(found[-1], _FAR) * scale
        density = np.exp(-(((grid[:, None] * edge - nodes) / step) ** 2) / 2) / math.sqrt(2 * math.pi) / step
        nodes, mass, at = grid * edge, (density @ mass) * weights * edge, fraction
    return found


@cache
def _gauss_legendre() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.polynomial.legendre.leggauss(200)


def _bound(level: float, nodes: NDArray[np.float64], mass: NDArray[np.float64], step: float, scale: float) -> float:
    """|z| that the score, at `nodes` with `mass` one look before, exceeds at this look with probability `level`."""

    def beyond(z: float) -> float:
        out = ndtr((nodes - z * scale) / step) + ndtr((-nodes - z * scale) / step)
        return float(mass @ out) - level

    return root(beyond, 0, 4 * _FAR, within=1e-12) if beyond(_FAR) < 0 else math.inf
