"""Learning curves: the error against the number of training images, and where two of them cross.

Source: Hoiem, Gupta, Li and Shlapentokh-Rothman 2021 (arXiv:2010.11029): `error(n) = alpha + eta n^gamma`, fitted by
weighted least squares for each gamma, of which that with the least error is taken; a small penalty draws gamma to
-0.5, because few sizes hardly tell it.
Differs: alpha and eta are not below 0; gamma is one of a grid.
Shapes: D draws, n sizes, G values of gamma.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab2.compare.joint import interval
from lab2.errors import ComparisonError

GAMMAS = -np.arange(0.05, 1.0001, 0.025)
PENALTY = 5e-3  # of |gamma + 0.5|, for squared errors in points and weights that add up to 1: the paper's lambda
_GRID = 512  # sizes, equally apart on a log scale, at which curves are compared


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curves:
    """D fitted curves; errors are shares in [0, 1]."""

    alpha: NDArray[np.float64]  # (D,) what is left with any number of images
    eta: NDArray[np.float64]  # (D,)
    gamma: NDArray[np.float64]  # (D,) below 0

    def errors(self, sizes: NDArray[np.float64]) -> NDArray[np.float64]:
        """(D, n) the errors at `sizes` (n,)."""
        found: NDArray[np.float64] = self.alpha[:, None] + self.eta[:, None] * sizes ** self.gamma[:, None]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """Where two curves cross within the sizes that were measured."""

    size: float | None  # training images, of the curves through the means; None: they do not cross there
    low: float | None  # 95 % interval over the draws that cross; None: too few do
    high: float | None
    share: float  # of the draws in which they cross, [0, 1]


def fit_curves(sizes: Sequence[float], errors: NDArray[np.float64], variances: NDArray[np.float64]) -> Curves:
    """A curve through each row of the (D, n) `errors` at the n `sizes`; `variances` (n,) are those of the errors.

    Raises `ComparisonError` for fewer than three sizes: a curve has three numbers.
    """
    known = np.asarray(sizes, float)
    if len(known) < 3 or errors.shape[1:] != known.shape or variances.shape != known.shape:
        raise ComparisonError(f"a learning curve of {len(known)} sizes: wanted three or more, with an error of each")
    weights = 1 / (variances + 1e-8)
    weights = weights / weights.sum()
    found = [_fit(known**gamma, errors, weights) for gamma in GAMMAS]
    costs = np.stack([cost for *_, cost in found]) * 1e4 + PENALTY * np.abs(GAMMAS + 0.5)[:, None]  # (G, D)
    best, rows = costs.argmin(0), np.arange(len(errors))
    alphas, etas = (np.stack([one[part] for one in found]) for part in (0, 1))
    return Curves(alpha=alphas[best, rows], eta=etas[best, rows], gamma=GAMMAS[best])


def _fit(
    x: NDArray[np.float64], errors: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """(D,) alpha, eta, and the weighted mean of the squared residuals, for one gamma; `x` (n,) is n^gamma."""
    mean_x, mean_e = weights @ x, errors @ weights
    eta = ((errors - mean_e[:, None]) * (x - mean_x)) @ weights / (weights @ (x - mean_x) ** 2)
    through_0 = (errors * x) @ weights / (weights @ x**2)
    alpha = mean_e - eta * mean_x
    eta = np.where(alpha < 0, through_0, np.maximum(eta, 0))
    alpha = np.where(alpha < 0, 0, mean_e - eta * mean_x)
    residuals = errors - alpha[:, None] - eta[:, None] * x
    return alpha, eta, residuals**2 @ weights


def crossing(sizes: Sequence[float], first: tuple[Curves, Curves], second: tuple[Curves, Curves]) -> Crossing:
    """Where two curves cross between the smallest and the largest of `sizes`; the smallest such place if several.

    Each is given twice: the one curve through the means, and those through the draws.
    """
    grid = np.geomspace(min(sizes), max(sizes), _GRID)
    (through, _), (places, crosses) = (
        _first_change(one.errors(grid) - other.errors(grid), grid) for one, other in zip(first, second, strict=True)
    )
    inside = places[crosses]
    low, high = interval(inside) if crosses.mean() >= 0.05 else (None, None)
    return Crossing(
        size=float(through[0]) if np.isfinite(through[0]) else None, low=low, high=high, share=float(crosses.mean())
    )


def _first_change(
    apart: NDArray[np.float64], grid: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(D,) where the sign of the (D, G) `apart` first changes, NaN where it does not; and whether it does."""
    changes = np.sign(apart[:, 1:]) * np.sign(apart[:, :-1]) < 0
    crosses: NDArray[np.bool_] = np.any(changes, axis=1)
    place = np.sqrt(grid[:-1] * grid[1:])[changes.argmax(1)]
    return np.where(crosses, place, np.nan), crosses
