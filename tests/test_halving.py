"""Successive halving: how many, how long, and who goes on."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab2.errors import ConfigError
from lab2.tune.halving import Rung, best, members, promoted, rungs


def table(trials: int, eta: int, least: Fraction) -> list[tuple[int, Fraction]]:
    return [(rung.settings, rung.share * 81) for rung in rungs(trials, eta, least)]


class TestRungs:
    @pytest.mark.parametrize(
        ("trials", "first", "expected"),
        [
            # Table 1 of Li et al. 2018 (arXiv:1603.06560): R = 81, eta = 3; (settings, budget) of each rung
            (81, 1, [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)]),
            (34, 3, [(34, 3), (11, 9), (3, 27), (1, 81)]),
            (15, 9, [(15, 9), (5, 27), (1, 81)]),
            (8, 27, [(8, 27), (2, 81)]),
            (5, 81, [(5, 81)]),
        ],
    )
    def test_are_those_of_the_paper(self, trials, first, expected):
        assert table(trials, 3, Fraction(first, 81)) == expected

    def test_a_few_settings_have_few_rungs(self):
        assert rungs(2, 3) == (Rung(settings=2, share=Fraction(1)),)
        assert rungs(16, 2, 0.25) == (
            Rung(settings=16, share=Fraction(1, 4)),
            Rung(settings=8, share=Fraction(1, 2)),
            Rung(settings=4, share=Fraction(1)),
        )

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [((0,), "trials=0"), ((4, 1), "eta=1"), ((4, 3, 0), "least_share=0"), ((4, 3, 1.5), "least_share=1.5")],
    )
    def test_impossible_ones_are_refused(self, arguments, message):
        with pytest.raises(ConfigError, match=message):
            rungs(*arguments)


class TestPromoted:
    def test_the_best_go_on(self):
        assert promoted({0: 0.5, 1: 0.9, 2: 0.7, 3: 0.8}, 2) == (1, 3)

    def test_a_tie_is_for_the_smaller_number(self):
        assert promoted({3: 0.9, 1: 0.9, 2: 0.9}, 2) == (1, 2)
        assert best({2: 0.9, 0: 0.9, 1: 0.1}) == 0

    @pytest.mark.parametrize("failed", [None, float("nan"), float("inf"), float("-inf")])
    def test_what_failed_never_goes_on(self, failed):
        assert promoted({0: failed, 1: 0.1, 2: failed}, 2) == (1,)
        assert best({0: failed}) is None

    @given(st.lists(st.none() | st.floats(0, 1), max_size=20), st.integers(0, 20), st.randoms())
    def test_the_order_of_the_results_does_not_matter(self, scores, count, random):
        shuffled = list(enumerate(scores))
        random.shuffle(shuffled)
        found = promoted(dict(shuffled), count)
        assert found == promoted(dict(enumerate(scores)), count)
        alive = [score for score in scores if score is not None]
        assert sorted(scores[i] for i in found) == sorted(alive)[max(0, len(alive) - count) :]


class TestMembers:
    PLAN = rungs(9, 3)

    def test_all_begin(self):
        assert members(self.PLAN, [], 0) == tuple(range(9))

    def test_a_rung_is_decided_when_all_of_the_one_before_have_ended(self):
        first = {i: 0.1 * i for i in range(9)}
        assert members(self.PLAN, [], 1) is None
        assert members(self.PLAN, [{i: first[i] for i in range(8)}], 1) is None
        assert members(self.PLAN, [first], 1) == (6, 7, 8)
        assert members(self.PLAN, [first], 2) is None
        assert members(self.PLAN, [first, {6: 0.9, 7: 0.8}], 2) is None
        assert members(self.PLAN, [first, {6: 0.9, 7: None, 8: 0.7}], 2) == (6,)

    def test_failures_are_spent_and_may_leave_nobody(self):
        first = dict.fromkeys(range(9)) | {2: 0.5, 5: 0.4}
        assert members(self.PLAN, [first], 1) == (2, 5)
        assert members(self.PLAN, [dict.fromkeys(range(9))], 1) == ()
        assert members(self.PLAN, [dict.fromkeys(range(9))], 2) == ()

    def test_results_of_others_are_not_looked_at(self):
        first = {i: 0.1 * i for i in range(9)}
        assert members(self.PLAN, [first, {0: 1.0, 6: 0.1, 7: 0.2, 8: 0.1}], 2) == (7,)
