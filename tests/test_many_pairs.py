"""All pairs at once: the maximum of a multivariate t, Holm, letters; looks planned and not planned."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lab2.compare.evidence import e_process
from lab2.compare.letters import letters
from lab2.compare.looks import Look, boundaries, levels
from lab2.compare.simultaneous import MaximumT, holm
from lab2.errors import ComparisonError


def all_pairs(count: int) -> list[tuple[int, int]]:
    return list(combinations(range(count), 2))


class TestMaximumT:
    @pytest.mark.parametrize("df", [4.0, 20.0, math.inf])
    @pytest.mark.parametrize("count", [3, 10])
    def test_of_equal_errors_is_tukeys_range(self, df, count):
        maximum = MaximumT(np.eye(count), all_pairs(count))
        tukey = stats.studentized_range(count, df if df < math.inf else 1e6)
        for alpha in (0.1, 0.05, 0.01):
            assert maximum.critical(alpha, df) * math.sqrt(2) == pytest.approx(tukey.isf(alpha), rel=0.015)
        p = 2 * stats.t.sf(3.0, df) if df < math.inf else 2 * stats.norm.sf(3.0)
        assert maximum.adjusted(p, 3.0, df) == pytest.approx(tukey.sf(3 * math.sqrt(2)), abs=0.003)  # four deviations

    def test_knows_that_one_pair_needs_no_adjustment(self):
        maximum = MaximumT(np.eye(2), [(0, 1)])
        assert maximum.adjusted(0.03, 2.2, 12.0) == 0.03
        assert maximum.critical(0.05, 12.0) == pytest.approx(stats.t.ppf(0.975, 12))

    def test_of_estimates_that_move_together_is_their_common_one(self):
        # The third architecture's luck dwarfs the others': its two pairs are one comparison, the last one is its own.
        maximum = MaximumT(np.diag([1e-8, 1e-8, 1.0]), [(0, 2), (1, 2)])
        assert maximum.critical(0.05, math.inf) == pytest.approx(1.96, rel=0.01)

    def test_repeats(self):
        covariance = np.diag([1.0, 2.0, 3.0, 4.0])
        np.random.seed(1)
        one = MaximumT(covariance, all_pairs(4)).critical(0.05, 7.5)
        np.random.seed(2)
        assert MaximumT(covariance, all_pairs(4)).critical(0.05, 7.5) == one

    @pytest.mark.parametrize("df", [2.5, 30.0, math.inf])
    def test_lies_between_the_pair_itself_and_bonferroni_and_is_undone_by_its_critical_value(self, df):
        maximum = MaximumT(np.diag([1.0, 2.0, 3.0]), all_pairs(3))
        for alpha in (0.2, 0.05, 1e-3):
            critical = maximum.critical(alpha, df)
            for t, shown in ((critical * 1.001, True), (critical * 0.999, False)):
                p = 2 * (stats.t.sf(t, df) if df < math.inf else stats.norm.sf(t))
                adjusted = maximum.adjusted(p, t, df)
                assert p <= adjusted <= 3 * p
                assert (adjusted < alpha) == shown
        assert maximum.adjusted(1e-12, 20.0, math.inf) == 3e-12  # beyond what draws can tell

    def test_of_architectures_that_never_differ_is_defined(self):
        maximum = MaximumT(np.zeros((3, 3)), all_pairs(3))
        assert maximum.adjusted(0.05, 1.96, math.inf) == pytest.approx(0.15)


def test_holm_by_hand():
    # 3 * 0.01, 2 * 0.02, then 0.03 raised to 0.04; and not above 1
    assert holm([0.02, 0.01, 0.03]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


class TestLetters:
    def test_by_hand(self):
        # Piepho's case: the middle one cannot be told from either end, the ends can be told apart.
        assert letters(3, [(0, 2)]) == [("a",), ("a", "b"), ("b",)]
        assert letters(3, []) == [("a",)] * 3
        assert letters(3, all_pairs(3)) == [("a",), ("b",), ("c",)]

    @settings(max_examples=300, deadline=None)
    @given(st.integers(1, 8), st.data())
    def test_are_shared_if_and_only_if_no_difference_is_shown(self, count, data):
        different = {pair for pair in all_pairs(count) if data.draw(st.booleans())}
        found = [set(one) for one in letters(count, different)]
        assert all(found)
        for i, j in all_pairs(count):
            assert bool(found[i] & found[j]) == ((i, j) not in different)
        columns = {letter: frozenset(k for k in range(count) if letter in found[k]) for letter in set().union(*found)}
        assert not any(one < other for one in columns.values() for other in columns.values())  # none is superfluous

    def test_go_on_after_the_alphabet(self):
        found = letters(54, all_pairs(54))
        assert (found[25], found[26], found[51], found[52], found[53]) == (("z",), ("A",), ("Z",), ("a1",), ("b1",))


class TestLooks:
    @pytest.mark.parametrize(
        ("looks", "published"),  # the program ldbounds (Casper and Perez), two-sided 0.05, O'Brien and Fleming's type
        [
            (2, [2.9626, 1.9686]),
            (3, [3.7103, 2.5114, 1.9930]),
            (5, [4.8769, 3.3569, 2.6803, 2.2898, 2.0310]),
        ],
    )
    def test_have_the_published_boundaries(self, looks, published):
        assert boundaries([k / looks for k in range(1, looks + 1)], 0.05) == pytest.approx(published, abs=2e-4)

    def test_keep_the_total_error_of_normal_increments(self):
        generator = np.random.default_rng(0)
        sums = np.cumsum(generator.normal(size=(200_000, 10)), 1)
        z = np.abs(sums[:, [2, 4, 9]]) / np.sqrt([3, 5, 10])
        stopped = (2 * stats.norm.sf(z) <= levels((3, 5, 10))).any(1)
        assert stopped.mean() == pytest.approx(0.05, abs=0.0015)  # three deviations

    def test_have_levels_that_are_the_boundaries_as_p(self):
        assert levels((5, 10)) == pytest.approx([2 * stats.norm.sf(2.9626), 2 * stats.norm.sf(1.9686)], rel=1e-3)
        assert levels((4,)) == pytest.approx([0.05])

    @pytest.mark.parametrize("seeds", [(), (1, 3), (3, 3), (5, 3)])
    def test_that_cannot_be_are_refused(self, seeds):
        with pytest.raises(ComparisonError, match="wanted increasing numbers from 2 on"):
            levels(seeds)

    @pytest.mark.parametrize("number", [1, 2, 3])
    @pytest.mark.parametrize("pairs", [1, 28])
    def test_have_a_repeated_p_that_is_alpha_where_a_look_just_stops(self, number, pairs):
        look = Look(seeds=(3, 5, 10), number=number, pairs=pairs)
        for alpha in (0.05, 0.001):
            level = look.level(alpha)
            assert level == levels((3, 5, 10), alpha / pairs)[number - 1]
            assert look.adjusted(level) == pytest.approx(alpha, rel=1e-3)
            assert look.adjusted(0.99 * level) < alpha < look.adjusted(1.01 * level)

    def test_have_a_repeated_p_within_its_bounds(self):
        first, only = Look(seeds=(3, 5, 10), number=1, pairs=1), Look(seeds=(4,), number=1, pairs=3)
        assert [only.adjusted(p) for p in (0.01, 0.4, 1.0)] == pytest.approx([0.03, 1.0, 1.0])
        tried = [first.adjusted(p) for p in (0.0, 1e-30, 1e-9, 0.001, 0.3, 1.0)]
        assert tried == sorted(tried)
        assert tried[0] < 1e-5
        assert tried[-1] == 1.0

    @pytest.mark.parametrize(("seeds", "percent"), [((5, 10), 8.3), ((3, 5, 10), 8.9), ((3, 12, 21, 30), 9.5)])
    def test_cost_what_the_papers_say_where_a_report_at_5_percent_came_first(self, seeds, percent):
        sums = np.cumsum(np.random.default_rng(0).normal(size=(100_000, seeds[-1])), 1)
        p = 2 * stats.norm.sf(np.abs(sums[:, np.array(seeds) - 1]) / np.sqrt(seeds))
        either = (p <= levels(seeds)).any(1) | (p[:, 0] < 0.05)
        assert 100 * either.mean() == pytest.approx(percent, abs=0.3)  # three deviations

    def test_have_intervals_that_hold_together_whatever_the_truth(self):
        """Repeated confidence intervals, of 10 standard normal differences around 0.4: one misses it in 5 %."""
        sums = np.cumsum(0.4 + np.random.default_rng(1).normal(size=(100_000, 10)), 1)
        missed = np.zeros(len(sums), bool)
        for number, count in enumerate((3, 5, 10), start=1):
            level = Look(seeds=(3, 5, 10), number=number, pairs=1).level(0.05)
            missed |= np.abs(sums[:, count - 1] / count - 0.4) > stats.norm.isf(level / 2) / math.sqrt(count)
        assert missed.mean() == pytest.approx(0.05, abs=0.0021)  # three deviations


class TestEProcess:
    def test_by_hand(self):
        # 1, 2, 3: mean 2, deviation 1, t^2 = 12, nu = 2; g = 1: 4^-1/2 ((1 + 6) / (1 + 6 / 4))^(3/2)
        assert e_process([1.0, 2.0, 3.0])[2] == pytest.approx(0.5 * (7 / 2.5) ** 1.5)
        assert e_process([1.0])[0] == 1.0

    def test_is_the_limit_where_differences_do_not_vary(self):
        almost = e_process([0.1, 0.1 + 1e-9, 0.1 - 1e-9])[2]
        assert e_process([0.125, 0.125, 0.125])[2] == pytest.approx(almost, rel=1e-6)
        assert e_process([0.0, 0.0])[1] < 1

    def test_looked_at_after_every_seed_is_wrong_in_alpha_at_most(self):
        generator = np.random.default_rng(0)
        ever = [e_process(generator.normal(size=30)).max() >= 20 for _ in range(600)]
        assert np.mean(ever) < 0.05 + 3 * 0.009

    def test_finds_what_is_there(self):
        generator = np.random.default_rng(0)
        ever = [e_process(1.5 + generator.normal(size=15)).max() >= 20 for _ in range(200)]
        assert np.mean(ever) > 0.8

    def test_without_a_spread_is_refused(self):
        with pytest.raises(ComparisonError, match="g 0"):
            e_process([1.0, 2.0], g=0)
