"""The tuning curve: the best validation score against what was spent, with a band that holds for all of it at once.

Source: Lourie, Cho and He 2023 (arXiv:2311.09480), by their library opda. The curve is the median, over searches like
this one, of the best score after n settings. Its band comes from one around the distribution of the scores (Learned-
Miller and DeStefano 2008, equal tails) that covers all of it with exactly the stated confidence. So the band covers the
curve at every n together with no less.

What it does not say:
- That is so for independent draws of scores that are never equal. Equal ones, as of few validation images or of failed
  trials, make it cautious. Sobol's points are more even than independent ones: with them it is an approximation, which
  held more often than it states in the simulation of tests/test_curve.py.
- It is of one architecture. That the bands of five hold together is less likely than that one does.
- It is of the drawn settings: the job's own recipe, setting 0, was not drawn and must be left out.
- It has no meaning for successive halving, where most settings were never trained to the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from opda.nonparametric import EmpiricalDistribution

_SIMULATION_SEED = 20260103  # opda finds its critical value by simulation: the same band each time


@dataclass(frozen=True, slots=True, eq=False)
class TuningCurve:
    """The best score after 1 to M settings."""

    settings: NDArray[np.int64]  # (M,): 1 to M
    seconds: NDArray[np.float64]  # (M,): what as many cost on average, failed ones included
    lower: NDArray[np.float64]  # (M,): the band
    median: NDArray[np.float64]  # (M,)
    upper: NDArray[np.float64]  # (M,)
    confidence: float

    @property
    def late_gain(self) -> float:
        """What the second half of the settings brings to the median: where it is large, the search is not done."""
        return float(self.median[-1] - self.median[max(0, len(self.median) // 2 - 1)])


def tuning_curve(scores: ArrayLike, seconds: ArrayLike, *, confidence: float = 0.95) -> TuningCurve:
    """The curve of N settings that were drawn, in any order.

    `scores` are (N,) shares in [0, 1], NaN for a setting that failed: it was spent and counts as 0. `seconds` are (N,).
    """
    found, spent = np.asarray(scores, float), np.asarray(seconds, float)
    assert found.shape == spent.shape == (len(found),), "wanted a score and a time of each"
    assert len(found), "wanted one setting or more"
    ordered = np.concatenate([[0.0], np.sort(np.where(np.isnan(found), 0.0, found)), [1.0]])
    lower, median, upper = (ordered[ranks] for ranks in _ranks(len(found), confidence))
    settings = np.arange(1, len(found) + 1)
    return TuningCurve(settings, settings.astype(np.float64) * float(spent.mean()), lower, median, upper, confidence)


@cache
def _ranks(drawn: int, confidence: float) -> tuple[NDArray[np.int64], ...]:
    """Which of `drawn` ordered scores are the lower end, the median and the upper end after 1 to `drawn` settings.

    0 stands for the smallest possible score, `drawn` + 1 for the largest. Any scores have the band of their ranks.
    """
    low, point, high = EmpiricalDistribution.confidence_bands(
        np.arange(1.0, drawn + 1),
        confidence,
        a=0.0,
        b=drawn + 1.0,
        generator=np.random.default_rng(_SIMULATION_SEED),
        method="ld_equal_tailed",
        n_jobs=1,
    )
    settings = np.arange(1, drawn + 1)
    # More of the distribution below a score means that the best of n is lower.
    return tuple(one.quantile_tuning_curve(settings).astype(np.int64) for one in (high, point, low))


def best_so_far(scores: ArrayLike, seconds: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What this one search had found after each of its N settings, in their order, setting 0 included.

    Returns (N,) best scores, NaN until one has not failed, and (N,) seconds spent until then.
    """
    return np.fmax.accumulate(np.asarray(scores, float)), np.cumsum(np.asarray(seconds, float))
