"""A gate passes a loss that is shown to be below the margin, fails what is shown to be worse, else does not decide."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from lab2.compare.flips import flips
from lab2.compare.noninferiority import AFTER, BEFORE, DEFAULT_MARGIN, Change, Verdict, judge, overall
from lab2.compare.price import Need
from lab2.compare.score import lower_bound, p_at_least
from lab2.errors import ComparisonError

N = 10_000
WORSE, NOT_WORSE, OPEN, NOTHING = (
    Verdict.WORSE,
    Verdict.NOT_WORSE,
    Verdict.NOT_DECIDED,
    Verdict.NOTHING_IN_COMMON,
)


def flipped(lost: int, gained: int, images: int = N) -> tuple[np.ndarray, np.ndarray]:
    """One seed each: so many images only the one before is right about, so many only the one after."""
    before, after = np.ones((1, images), bool), np.ones((1, images), bool)
    after[0, :lost] = False
    before[0, lost : lost + gained] = False
    return before, after


def trained(generator: np.random.Generator, accuracy: float, loss: float, seeds: int = 10) -> list[np.ndarray]:
    """(S, N) before and after: images of any difficulty, seeds that vary as those of a small CNN on MNIST."""
    easy = np.clip(generator.beta(0.3 * accuracy, 0.3 * (1 - accuracy), N), 1e-4, 1 - 1e-4)
    return [
        generator.random((seeds, N)) < np.clip(easy - lost + generator.normal(0, 3e-4, (seeds, 1)), 0, 1)
        for lost in (0.0, loss)
    ]


class TestRule:
    @pytest.mark.parametrize(
        ("lost", "gained", "margin", "verdict", "shown_worse"),
        [
            # difference -+ 1.96 and - 1.645 times sqrt(lost + gained) / N
            (5, 5, 0.0025, NOT_WORSE, False),  # 0.00, from -0.05 on
            (30, 20, 0.0025, NOT_WORSE, False),  # -0.10, from -0.22 on
            (40, 10, 0.0025, WORSE, True),  # -0.30, -0.44 to -0.16, from -0.42 on
            (40, 10, 0.005, NOT_WORSE, True),  # the same: worse, and less than half a point
            (300, 290, 0.0025, OPEN, False),  # -0.10, -0.58 to +0.38, from -0.50 on
        ],
    )
    def test_of_both_claims(self, lost: int, gained: int, margin: float, verdict: Verdict, shown_worse: bool):
        found = judge(*flipped(lost, gained), margin=margin)
        assert (found.verdict, found.shown_worse) == (verdict, shown_worse)
        assert found.difference == pytest.approx((gained - lost) / N)

    def test_the_bound_is_one_sided_and_the_interval_two_sided(self):
        found = judge(*flipped(300, 290), margin=0.0025)
        error = math.sqrt(592) / N  # with two pseudo-images
        assert found.bound == pytest.approx(-10 / N - 1.645 * error, abs=1e-5)
        assert found.low == pytest.approx(-10 / N - 1.96 * error, abs=1e-5)

    def test_more_jobs_ask_more_of_a_loss_and_not_of_a_pass(self):
        loss = flipped(40, 18)  # 2 P(Binomial(58, 1/2) <= 18) = 0.0054
        assert judge(*loss, margin=0.0025).verdict is WORSE
        assert judge(*loss, margin=0.0025, jobs=20).verdict is OPEN
        assert judge(*loss, margin=0.0025, jobs=20).bound == judge(*loss, margin=0.0025).bound

    def test_what_is_better_is_not_worse(self):
        found = judge(*flipped(10, 40), margin=0.0025)
        assert (found.verdict, found.shown_better, found.price) == (NOT_WORSE, True, None)

    def test_few_images_do_not_pass(self):
        assert judge(*flipped(0, 0, images=100), margin=DEFAULT_MARGIN).verdict is OPEN

    def test_what_would_decide_it_is_the_price_of_showing_no_loss(self):
        a = np.random.default_rng(0).random((2, 2, 2000)) < 0.9
        found = judge(a[0], a[1], margin=0.01)
        assert found.verdict is OPEN
        assert found.price is not None
        assert found.price.need is Need.SEEDS
        allowed = (0.01 / (1.6449 + 0.8416)) ** 2
        spread = sum(max(one.mean(1).var(ddof=1), residual(one) / 2000) for one in a)
        shared = (a[1].mean(0) - a[0].mean(0)).var(ddof=1) - sum(map(residual, a)) / 2
        assert found.price.seeds == math.ceil(spread / (allowed - max(0, shared) / 2000))

    def test_a_baseline_has_no_luck_of_seeds(self):
        found = judge(*flipped(5, 5), margin=0.0025, fixed=(BEFORE, AFTER))
        assert found.answer.uncovered == ()
        assert set(judge(*flipped(5, 5), margin=0.0025).answer.uncovered) == {AFTER, BEFORE}

    def test_one_image_is_an_error(self):
        with pytest.raises(ComparisonError, match="wanted two or more"):
            judge(np.ones((1, 1), bool), np.ones((1, 1), bool), margin=0.0025)


def residual(right: np.ndarray) -> float:
    """R of two seeds, as docs/statistics.md writes it."""
    left = right - right.mean(1, keepdims=True) - right.mean(0) + right.mean()
    return float(np.sum(left**2)) / (len(left[0]) - 1)


@pytest.mark.parametrize(
    ("jobs", "all_together"),
    [
        ([], NOTHING),
        ([NOTHING, NOTHING], NOTHING),
        ([NOT_WORSE, NOT_WORSE], NOT_WORSE),
        ([NOT_WORSE, NOTHING], OPEN),
        ([NOT_WORSE, OPEN], OPEN),
        ([NOTHING, OPEN, WORSE], WORSE),
    ],
)
def test_the_worst_job_decides(jobs: list[Verdict], all_together: Verdict):
    assert overall(jobs) is all_together


class TestErrors:
    def verdicts(self, loss: float, draws: int = 20) -> list[Change]:
        return [
            judge(*trained(np.random.default_rng(number), 0.99, loss), margin=DEFAULT_MARGIN) for number in range(draws)
        ]

    def test_a_loss_of_three_tenths_of_a_point_over_ten_seeds_is_found(self):
        found = self.verdicts(0.003)
        assert np.mean([one.difference for one in found]) == pytest.approx(-0.003, abs=0.001)
        assert [one.verdict for one in found].count(WORSE) >= 19

    def test_no_loss_passes(self):
        assert [one.verdict for one in self.verdicts(0.0)].count(NOT_WORSE) >= 19

    def test_a_loss_of_the_margin_passes_in_five_percent(self):
        generator = np.random.default_rng(0)
        counts = generator.multinomial(2000, [0.03, 0.02, 0.95], size=150)  # a loss of 1 point
        passed = [judge(*flipped(b, c, 2000), margin=0.01).verdict is NOT_WORSE for b, c, _ in counts.tolist()]
        assert np.mean(passed) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 150)

    def test_no_loss_in_three_jobs_fails_in_two_and_a_half_percent(self):
        generator = np.random.default_rng(0)
        counts = generator.multinomial(2000, [0.03, 0.03, 0.94], size=(50, 3))
        failed = [
            any(judge(*flipped(b, c, 2000), margin=0.0025, jobs=3).verdict is WORSE for b, c, _ in jobs)
            for jobs in counts.tolist()
        ]
        assert np.mean(failed) <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / 50)


def test_an_image_is_right_where_more_than_half_of_the_seeds_are():
    before = np.array([[1, 1, 1, 0, 0], [1, 1, 0, 0, 1], [1, 0, 0, 0, 0]], bool)  # 3, 2, 1, 0, 1 of 3
    after = np.array([[0, 1, 1, 1, 1], [0, 0, 0, 1, 0]], bool)  # 0, 1, 1, 2, 1 of 2: a half is not right
    found = flips(before, after)
    assert found.lost.tolist() == [0, 1]  # the larger change first
    assert found.gained.tolist() == [3]
    assert (found.before[1], found.after[1]) == (pytest.approx(2 / 3), 0.5)


class TestScore:
    """Tango's score test, by the probabilities of all outcomes."""

    @pytest.mark.parametrize(("images", "margin"), [(1000, 0.0025), (3850, 0.001), (656, 0.039), (10_000, 0.0025)])
    def test_networks_that_differ_by_the_margin_are_seldom_called_equal(self, images: int, margin: float):
        most = int(4 * images * margin) + 40
        counts = np.arange(most)
        tested = np.array([[p_at_least(b, c, images, margin) for c in counts] for b in counts])
        for only_second in (0.0, 1.0, 5.0, 20.0):  # images, on average
            chances = np.outer(
                stats.poisson.pmf(counts, images * margin + only_second), stats.poisson.pmf(counts, only_second)
            )
            assert chances[tested < 0.05].sum() <= 0.052

    def test_the_bound_is_where_the_test_has_its_level(self):
        for b, c in ((0, 0), (3, 9), (40, 12), (0, 200)):
            bound = lower_bound(b, c, 1000, 0.05)
            assert bound < (b - c) / 1000
            if bound < 0:
                assert p_at_least(c, b, 1000, -bound) == pytest.approx(0.05, abs=1e-6)
        # Many images: Wald's.
        assert lower_bound(4000, 3000, 100_000, 0.05) == pytest.approx(0.01 - 1.645 * 7000**0.5 / 1e5, abs=2e-5)
