"""The tuning curve and its band, held against a second implementation and against searches whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import beta

from lab2.tune.curve import best_so_far, tuning_curve
from lab2.tune.settings import points

N = 12
SETTINGS = np.arange(1, N + 1)
SORTED = np.arange(1, N + 1) / 100  # the score of rank i is i / 100


def second_band(draws: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Learned-Miller and DeStefano's band written out: (N,) bounds of the distribution at each ordered score.

    The i-th of N ordered uniform numbers is Beta(i, N + 1 - i). Its central intervals are widened together until all
    hold at once in 95 % of the draws.
    """
    first, second = SETTINGS, N + 1 - SETTINGS
    ordered = np.sort(np.random.default_rng(0).random((draws, N)), axis=1)
    widest = np.abs(2 * beta.cdf(ordered, first, second) - 1).max(1)
    level = np.quantile(widest, 0.95)
    low, high = (np.asarray(beta.ppf((1 + side * level) / 2, first, second)) for side in (-1, 1))
    return low, high


def test_the_band_is_that_of_a_second_implementation():
    low, high = second_band(100_000)
    curve = tuning_curve(SORTED, np.ones(N))
    scores = [0.0, *SORTED, 1.0]
    for n in SETTINGS:
        quantile = 0.5 ** (1 / n)  # the median of the best of n is where the distribution is so high
        lower = next(j for j in range(N + 1) if (high[j] if j < N else 1.0) >= quantile)
        upper = next((j for j in range(1, N + 1) if low[j - 1] >= quantile), N + 1)
        assert (curve.lower[n - 1], curve.upper[n - 1]) == (scores[lower], scores[upper])


def test_the_curve_is_the_median_of_the_best():
    # of four scores the best of n is below the i-th with probability (i / 4)^n: half of it is reached at 2, 3, 4, 4
    assert tuning_curve([0.4, 0.1, 0.3, 0.2], [1, 1, 1, 1]).median.tolist() == [0.2, 0.3, 0.4, 0.4]


def test_one_setting_says_nothing():
    curve = tuning_curve([0.7], [3.0])
    assert (curve.lower.tolist(), curve.median.tolist(), curve.upper.tolist()) == ([0.0], [0.7], [1.0])


def test_seconds_are_what_as_many_settings_cost_on_average():
    assert tuning_curve([0.1, 0.2], [10.0, 30.0]).seconds.tolist() == [20.0, 40.0]


def test_a_failed_setting_was_spent_and_counts_as_nothing():
    failed = tuning_curve([0.9, np.nan, np.nan], [1, 1, 1])
    assert failed.median.tolist() == tuning_curve([0.9, 0.0, 0.0], [1, 1, 1]).median.tolist()
    assert failed.median.tolist() == [0.0, 0.9, 0.9]  # (2 / 3)^1 is more than a half, (2 / 3)^2 is not


def test_the_order_does_not_matter_and_the_same_comes_again():
    scores = np.random.default_rng(1).random(N)
    one, other = tuning_curve(scores, np.ones(N)), tuning_curve(scores[::-1], np.ones(N))
    assert all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("lower", "median", "upper"))


def test_what_the_second_half_brings():
    assert tuning_curve([0.4, 0.1, 0.3, 0.2], np.ones(4)).late_gain == pytest.approx(0.4 - 0.3)
    assert tuning_curve([0.5] * 8, np.ones(8)).late_gain == 0


def test_best_so_far_is_this_one_search():
    scores, seconds = best_so_far([np.nan, 0.5, 0.4, np.nan, 0.6], [1.0, 2.0, 3.0, 4.0, 5.0])
    assert np.array_equal(scores, [np.nan, 0.5, 0.5, 0.5, 0.6], equal_nan=True)
    assert seconds.tolist() == [1.0, 3.0, 6.0, 10.0, 15.0]


def holds(scores: NDArray[np.float64], truth: NDArray[np.float64]) -> bool:
    curve = tuning_curve(scores, np.ones(N))
    return bool(((curve.lower <= truth) & (truth <= curve.upper)).all())


class TestCoverage:
    def test_of_independent_draws_it_holds_at_every_number_of_settings_together(self):
        truth = 0.5 ** (1 / SETTINGS)  # of uniform scores
        generator = np.random.default_rng(0)
        found = np.mean([holds(generator.random(N), truth) for _ in range(2000)])
        assert 0.95 - 3 * 0.005 < found < 0.999  # 0.005: the standard error; at whole n it may hold more often

    def test_of_sobols_points_it_holds_no_less_often(self):
        """As `lab2 tune` draws them. The score is that of four settings, none of which decides alone."""

        def score(at: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.asarray((at[:, 0] + 0.5 * at[:, 1] + 0.15 * np.sin(6 * at[:, 2]) + 0.2 * at[:, 3] + 0.15) / 2)

        truth = np.quantile(score(np.random.default_rng(0).random((400_000, 4))), 0.5 ** (1 / SETTINGS))
        found = np.mean([holds(score(points(4, seed, "cnn", 0, N)), truth) for seed in range(300)])
        assert found >= 0.95
