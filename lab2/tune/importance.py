"""Which hyperparameters mattered: how much worse a random forest predicts the score when one is shuffled.

Source: Breiman 2001, permutation importance on the points that a tree has not seen; as a share of the variance it
estimates the total effect of Jansen 1999. Noise: Altmann et al. 2010 (doi:10.1093/bioinformatics/btq134), the same with
the scores shuffled, and of all settings the largest (Westfall and Young 1993), for there are several chances to be
fooled.

What it does not say:
- It is of this space: a setting whose range is narrow does not matter in it.
- A setting that acts only beside another has its share, and so has the other: shares may add up to more than 1.
- A forest of few trials sees only a part of what a setting does: shares are too small, and their order is what counts.
- It says that a setting mattered, not which value is best.
- With 16 trials only a setting that decides most of the score can be told from noise. "Cannot be told" is not "does
  not matter".
- It has no meaning for the settings that successive halving stopped early.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lab2.spec.space import Dimension, Value
from lab2.tune.settings import unit_points

if TYPE_CHECKING:
    from sklearn.tree import DecisionTreeRegressor

FEWEST = 10  # trials; below, nothing is computed
TREES = 40
SHUFFLES = 39  # of the scores: the smallest p is 1 / 40
LEVEL = 0.05
_SEED = 20260104


@dataclass(frozen=True, slots=True, kw_only=True)
class Importance:
    """What one setting explains."""

    name: str
    share: float  # of the variance of the score, about 0 to 1; NaN: not computed
    p: float  # how often shuffled scores give any setting as large a share

    @property
    def told(self) -> bool:
        """Whether it can be told from noise."""
        return self.p <= LEVEL

    @property
    def text(self) -> str:
        """The share as a table shows it."""
        return f"{max(self.share, 0.0):.0%}" if self.told else "cannot be told from noise"


def importances(
    space: Mapping[str, Dimension], settings: Sequence[Mapping[str, Value]], scores: Sequence[float | None]
) -> list[Importance]:
    """The importance of each dimension of `space`, the largest first.

    `settings` are the drawn ones, without setting 0, which has no place in the space; `scores` are theirs, None for one
    that failed: it counts as the worst that ended. The same input gives the same output.
    """
    from sklearn import config_context  # loads OpenMP, which binds threads where it is told to

    known = [score for score in scores if score is not None]
    if len(scores) < FEWEST or len(set(known)) < 2:
        return [Importance(name=name, share=float("nan"), p=1.0) for name in sorted(space)]
    places = unit_points(space, list(settings)).astype(np.float32)
    found = np.array([min(known) if score is None else score for score in scores])
    generator = np.random.default_rng(_SEED)
    with config_context(skip_parameter_validation=True):  # a third of the time, over thousands of small trees
        shares = _shares(places, found, generator)
        noise = np.array([_shares(places, generator.permutation(found), generator).max() for _ in range(SHUFFLES)])
    p = (1 + (noise[:, None] >= shares).sum(0)) / (1 + SHUFFLES)
    each = [Importance(name=n, share=float(s), p=float(q)) for n, s, q in zip(sorted(space), shares, p, strict=True)]
    return sorted(each, key=lambda one: (-one.share, one.name))


def _shares(
    places: NDArray[np.float32], scores: NDArray[np.float64], generator: np.random.Generator
) -> NDArray[np.float64]:
    """(D,): half of what shuffling a column of the (N, D) `places` adds to the squared error, over the variance.

    Half: two trials that differ in one setting differ by twice the variance that it explains.
    """
    from sklearn.tree import DecisionTreeRegressor

    number, width = places.shape
    added, trees = np.zeros(width), 0
    for _ in range(TREES):
        drawn = generator.integers(number, size=number)
        unseen = np.setdiff1d(np.arange(number), drawn)
        tree = DecisionTreeRegressor(
            max_features=max(1, width // 2), min_samples_leaf=2, random_state=int(generator.integers(2**31))
        )
        tree.fit(places[drawn], scores[drawn], check_input=False)
        if len(unseen) > 1:
            added += _added(tree, places[unseen], scores[unseen], generator)
            trees += 1
    return np.asarray(added / max(trees, 1) / (2 * scores.var()))


def _added(
    tree: DecisionTreeRegressor,
    places: NDArray[np.float32],
    scores: NDArray[np.float64],
    generator: np.random.Generator,
) -> NDArray[np.float64]:
    """(D,): what shuffling each column adds to the mean squared error of `tree`."""
    copies = np.repeat(places[None], places.shape[1] + 1, axis=0)  # the first stays as it is
    for column in range(places.shape[1]):
        copies[column + 1, :, column] = generator.permutation(places[:, column])
    answers = tree.predict(copies.reshape(-1, places.shape[1]), check_input=False).reshape(len(copies), -1)
    errors = ((answers - scores) ** 2).mean(1)
    return np.asarray(errors[1:] - errors[0])
