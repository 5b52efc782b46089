"""What is said of a pair: one seed each, verdict, equivalence, price."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from lab2.compare.answer import Method, Question, mcnemar
from lab2.compare.comparison import Verdict, compare
from lab2.compare.equivalence import default_margin, tost
from lab2.compare.price import Need, power_of, price
from lab2.compare.ranks import ranks
from lab2.compare.variance import Split
from lab2.errors import ComparisonError
from tests.test_compare import drawn, literal


class TestOneSeed:
    def test_each_is_mcnemars_exact_test_and_says_what_it_does_not_cover(self):
        # 9 images that only a is right about, 1 that only b is: 2 (1 + 10) / 2^10
        a, b = np.ones((1, 200), bool), np.ones((1, 200), bool)
        a[0, :1], b[0, 1:10] = False, False
        pair = compare({"a": a, "b": b}).pair("a", "b")
        assert pair.answer.p == pytest.approx(22 / 1024)
        assert (pair.answer.method, pair.answer.question) == (Method.MCNEMAR, Question.NETWORKS)
        assert pair.uncovered == ("a", "b")
        assert pair.difference == pytest.approx(8 / 200)
        assert pair.test_set is None

    def test_of_one_of_the_two_names_it(self):
        a, b = drawn((1, 400), (5, 400))
        pair = compare({"a": a, "b": b}).pair("a", "b")
        assert (pair.uncovered, pair.answer.method) == (("a",), Method.SEEDS_AND_IMAGES)
        assert pair.answer.variance == pytest.approx(literal(a.tolist(), b.tolist())[0])

    def test_five_images_of_difference_are_never_enough(self):
        assert mcnemar(5, 0, 10_000).p == 2 / 2**5
        a, b = np.ones((3, 10_000), bool), np.ones((3, 10_000), bool)
        b[:, :5] = False
        assert compare({"a": a, "b": b}).pairs[0].answer.p > 0.05
        b[:, 5:8] = False
        assert compare({"a": a, "b": b}).pairs[0].verdict is Verdict.BETTER

    @pytest.mark.parametrize("alpha", [0.1, 0.05, 0.01, 0.001])
    def test_interval_and_p_agree_about_zero(self, alpha):
        for b in range(30):
            for c in range(30):
                answer = mcnemar(b, c, 1000, alpha=alpha)
                assert (answer.p < alpha) == (answer.low > 0 or answer.high < 0), (b, c)
                assert answer.low <= answer.difference <= answer.high

    def test_the_interval_covers(self):
        # 300 images, of which 10 % tell the two apart, 2 to 1.
        generator = np.random.default_rng(0)
        counts = generator.multinomial(300, [0.1 * 2 / 3, 0.1 / 3, 0.9], size=4000)
        found, often = np.unique(counts, axis=0, return_counts=True)
        held = [(one := mcnemar(b, c, 300)).low <= 0.1 / 3 <= one.high for b, c, _ in found.tolist()]
        assert often @ held / 4000 > 0.94  # 0.95 less three deviations of 0.0034


class TestVerdict:
    def test_of_a_clear_difference_is_seen_from_both_sides(self):
        a, b = drawn((3, 2000), (3, 2000))
        b &= np.arange(2000) % 10 > 0
        found = compare({"b": b, "a": a})
        assert [row.name for row in found.rows] == ["a", "b"]
        one, other = found.pair("a", "b"), found.pair("b", "a")
        assert (one.verdict, other.verdict) == (Verdict.BETTER, Verdict.WORSE)
        assert (other.difference, other.low, other.high) == (-one.difference, -one.high, -one.low)
        assert other.networks.difference == -one.networks.difference

    def test_of_networks_that_never_differ_is_equivalence_within_what_images_can_tell(self):
        a = np.tile(np.arange(1000) < 900, (3, 1))
        assert compare({"a": a, "b": a}).pairs[0].verdict is Verdict.EQUIVALENT  # margin 1 / sqrt(1000)
        found = compare({"a": a, "b": a}, margin=0.001).pairs[0]
        assert found.verdict is Verdict.OPEN  # 0 of 1,000 does not exclude 1 of 1,000
        assert found.high > 0.001

    def test_no_difference_shown_is_not_equality(self):
        a, b = drawn((2, 200), (2, 200), luck=0.3)
        pair = compare({"a": a, "b": b}, margin=0.005).pairs[0]
        assert (pair.verdict, pair.equivalent) == (Verdict.OPEN, False)
        assert pair.price == compare({"a": a, "b": b}).price("a", "b", 0.005)

    def test_a_difference_within_the_margin_is_both_shown_and_small(self):
        generator = np.random.default_rng(0)
        hard = generator.random(50_000)
        a, b = (np.tile(hard < one, (3, 1)) for one in (0.902, 0.9))
        pair = compare({"a": a, "b": b}, margin=0.01).pair("a", "b")
        assert (pair.verdict, pair.equivalent) == (Verdict.BETTER, True)

    def test_considers_all_pairs(self):
        # p = 0.0215 alone, 10 pairs: not shown.
        arrays = {name: np.ones((1, 200), bool) for name in "abcde"}
        arrays["a"][0, :1], arrays["b"][0, 1:10] = False, False
        for place, name in enumerate("cde"):
            arrays[name][0, 10 + 5 * place : 15 + 5 * place] = False
        pair = compare(arrays, margin=0.01).pair("a", "b")
        assert pair.answer.p == pytest.approx(22 / 1024)
        assert pair.verdict is Verdict.OPEN
        assert pair.answer.p < pair.p_adjusted <= 10 * pair.answer.p
        assert pair.low < 0 < pair.answer.low


def test_equivalence_is_the_90_percent_interval_within_the_margin():
    for difference in (0.0, 0.001, -0.002):
        for df in (5.0, math.inf):
            half = 0.001 * (stats.t.ppf(0.95, df) if df < math.inf else stats.norm.ppf(0.95))
            edge = abs(difference) + half
            assert tost(difference, 1e-6, df, edge) == pytest.approx(0.05)
    assert [default_margin(n) for n in (100, 10_000, 4_000_000)] == [0.1, 0.01, 0.001]


def split(*, seeds: float, images: float, one_seed: float | None, all_images: float = 0.0) -> Split:
    return Split(
        seeds=seeds,
        images=images,
        networks=0.0,
        one_seed=one_seed,
        one_seed_squares=(one_seed or 0.0) ** 2 / 2,
        all_images=all_images,
        df=math.inf,
        cases=10_000,
    )


def _student(df: float) -> float:
    return float(stats.t.ppf(0.975, df))


class TestPrice:
    Z = 1.959964 + 0.841621

    def test_in_seeds_by_the_formula(self):
        # var_a + var_e / N = 4e-6, var_Delta / N = 1e-7, d = 0.002: 8e-6 / ((0.002 / Z)^2 - 1e-7) = 19.5
        one = split(seeds=8e-6 / 3, images=1e-7, one_seed=8e-6)
        found = price(one, 0.002)
        assert math.ceil(8e-6 / ((0.002 / self.Z) ** 2 - 1e-7)) == 20  # with normal quantiles
        assert (found.need, found.seeds) == (Need.SEEDS, 21)  # with Student's, of 38 degrees of freedom or more
        powers = [power_of(one, 0.002, seeds, _student) for seeds in (20, 21)]
        assert powers[0] < 0.8 <= powers[1] < 0.82

    def test_two_seeds_are_seldom_enough(self):
        """Normal quantiles would say that two are; Student's with two degrees of freedom find it in a third."""
        allowed = (0.01 / self.Z) ** 2
        found = price(split(seeds=allowed, images=0.0, one_seed=2 * allowed), 0.01)
        assert power_of(split(seeds=allowed, images=0.0, one_seed=2 * allowed), 0.01, 2, _student) == (
            pytest.approx(0.36, abs=0.02)
        )
        assert found.seeds == 4

    def test_where_no_number_of_seeds_decides_it_names_the_images(self):
        # var_Delta = 0.01: N >= 0.01 (Z / 0.002)^2
        found = price(split(seeds=1e-6, images=1e-6, one_seed=3e-6, all_images=2e-7), 0.002)
        assert (found.need, found.seeds) == (Need.IMAGES, None)
        assert found.images == math.ceil(0.01 * (self.Z / 0.002) ** 2) == 19_623
        # At N images V = 2e-7 + 1.8e-6 * 10,000 / N
        assert found.images_at_hand == math.ceil(1.8e-2 / ((0.002 / self.Z) ** 2 - 2e-7))

    def test_needs_a_second_seed_to_be_told(self):
        found = price(split(seeds=1e-6, images=1e-6, one_seed=None), 0.002)
        assert (found.need, found.seeds, found.images) == (Need.SECOND_SEED, None, None)

    def test_no_number_of_images_helps_where_whole_seeds_vary(self):
        found = price(split(seeds=1e-5, images=1e-7, one_seed=3e-5, all_images=1e-5), 0.002)
        assert (found.images_at_hand, found.need) == (None, Need.SEEDS)

    def test_is_kept_when_it_is_paid(self):
        # Draw at the price's seeds: a difference of d is then found in about 80 % of the draws.
        generator = np.random.default_rng(0)
        d, var_seed, n = 0.02, 1e-4, 2000
        seeds = price(split(seeds=2e-4, images=0.0, one_seed=2 * (var_seed + 0.09 / n)), d).seeds
        found = 0
        for _ in range(200):
            a, b = (
                generator.random((seeds, n)) < 0.9 + shift + 1e-2 * generator.normal(size=(seeds, 1))
                for shift in (0, -d)
            )
            found += compare({"a": a, "b": b}).pairs[0].answer.p < 0.05
        assert 0.65 < found / 200 < 0.92  # 0.8 -+ four deviations of 0.03; Student's quantiles cost some

    @pytest.mark.parametrize(("difference", "power"), [(0.0, 0.8), (1.0, 0.8), (0.01, 1.0), (0.01, 0.2)])
    def test_of_nothing_is_refused(self, difference, power):
        with pytest.raises(ComparisonError, match="wanted a difference"):
            price(split(seeds=1e-6, images=1e-6, one_seed=1e-6), difference, power=power)


def test_ranks_by_hand():
    # a beats c and d, b beats d; c beats nothing.
    assert ranks(4, [(0, 2), (0, 3), (1, 3)]) == [(1, 2), (1, 3), (2, 4), (3, 4)]
    assert ranks(3, []) == [(1, 3)] * 3


class TestFixed:
    """What no seed changes has one seed, and no luck of seeds that nobody knows."""

    def test_its_one_seed_is_not_named_and_the_others_seeds_have_a_price(self):
        a, b = drawn((1, 400), (3, 400))
        pair = compare({"a": a, "b": b}, fixed=["a"], margin=0.001).pair("a", "b")
        assert pair.uncovered == ()
        assert pair.answer.variance == compare({"a": a, "b": b}).pairs[0].answer.variance
        twice = compare({"a": a.repeat(2, 0), "b": b}, margin=0.001).pair("a", "b")  # as a second seed would show
        assert pair.price == twice.price
        assert pair.price is not None
        assert pair.price.need is Need.IMAGES

    def test_beside_another_with_one_seed_only_that_one_is_named(self):
        a, b = drawn((1, 400), (1, 400))
        pair = compare({"a": a, "b": b}, fixed=["a"], margin=0.001).pair("a", "b")
        assert (pair.uncovered, pair.answer.method) == (("b",), Method.MCNEMAR)
        assert pair.price is not None
        assert pair.price.need is Need.SECOND_SEED

    def test_two_of_them_are_decided_by_images_alone(self):
        a, b = drawn((1, 400), (1, 400))
        pair = compare({"a": a, "b": b}, fixed=["a", "b"], margin=0.001).pair("a", "b")
        assert (pair.uncovered, pair.answer.method) == ((), Method.MCNEMAR)
        assert pair.price is not None
        assert (pair.price.need, pair.price.seeds) == (Need.IMAGES, None)
        assert compare({"a": a, "b": b}, fixed=["a", "b"]).price("a", "b", 0.5).need is Need.IMAGES

    def test_names_that_are_not_compared_are_refused(self):
        a, b = drawn((1, 400), (1, 400))
        with pytest.raises(ComparisonError, match="fixed c: wanted some of a, b"):
            compare({"a": a, "b": b}, fixed=["c"])
