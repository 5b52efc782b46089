"""Looks that are planned beforehand: test after so many seeds, and stop when it is decided, at a total error of alpha.

Sources: Lan and DeMets 1983, Biometrika 70:659 (alpha spending; O'Brien and Fleming's type); Armitage, McPherson and
Rowe 1969, JRSS A 132:235 (the integral); Jennison and Turnbull 2000, Group Sequential Methods, 4.4 (t by its p).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from lab2.errors import ComparisonError

_FAR = 9.0  # beyond it the integral resolves nothing
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(200)


class Step(StrEnum):
    """What to do after a look."""

    STOP = "decided"
    GO_ON = "not decided yet"
    LAST = "not decided at the last planned look"


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """A plan: the numbers of seeds (of each architecture) at which to look, and the level that each look may use."""

    seeds: tuple[int, ...]
    alpha: float
    levels: tuple[float, ...]  # two-sided p at or below which a look stops

    def step(self, p: Sequence[float]) -> Step:
        """What to do, given the two-sided p of each look so far, in order.

        p comes from the same answer at each look (question 3, adjusted for the other pairs where there are several).
        """
        if not 1 <= len(p) <= len(self.seeds):
            raise ComparisonError(
                f"{len(p)} p-values, {len(self.seeds)} planned looks: wanted one for each look so far"
            )
        if any(one <= level for one, level in zip(p, self.levels, strict=False)):
            return Step.STOP
        return Step.LAST if len(p) == len(self.seeds) else Step.GO_ON


def plan(seeds: Sequence[int], alpha: float = 0.05) -> Looks:
    """Plan looks after these numbers of seeds, 2 or more, increasing.

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
    return Looks(seeds=tuple(seeds), alpha=alpha, levels=tuple(float(2 * ndtr(-bound)) for bound in bounds))


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
    nodes, mass = np.zeros(1), np.ones(1)
    for fraction in fractions:
        step, scale = math.sqrt(fraction - at), math.sqrt(fraction)
        found.append(_bound(spent(fraction, alpha) - before, nodes, mass, step, scale))
        before = spent(fraction, alpha)
        edge = min(found[-1], _FAR) * scale
        density = np.exp(-(((_NODES[:, None] * edge - nodes) / step) ** 2) / 2) / math.sqrt(2 * math.pi) / step
        nodes, mass, at = _NODES * edge, (density @ mass) * _WEIGHTS * edge, fraction
    return found


def _bound(level: float, nodes: NDArray[np.float64], mass: NDArray[np.float64], step: float, scale: float) -> float:
    """|z| that the score, at `nodes` with `mass` one look before, exceeds at this look with probability `level`."""

    def beyond(z: float) -> float:
        out = ndtr((nodes - z * scale) / step) + ndtr((-nodes - z * scale) / step)
        return float(mass @ out) - level

    return float(brentq(beyond, 0, 4 * _FAR)) if beyond(_FAR) < 0 else math.inf
