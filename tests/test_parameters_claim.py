"""Claim 4: how a rank correlation is found, and what the rule makes of it."""

from __future__ import annotations

import numpy as np
import pytest

from lab2.compare.joint import Joint, joint
from lab2.compare.rank_correlation import RankCorrelation, rank_correlation
from lab2.errors import ComparisonError
from lab2.study.claim import Verdict
from lab2.study.claims.parameters import PREDICTS, decide, plan


def known(means: list[float], error: float = 1e-6) -> Joint:
    """Accuracies that are known up to independent errors."""
    names = tuple(f"n{i}" for i in range(len(means)))
    return Joint(names=names, means=np.array(means), covariance=np.eye(len(means)) * error**2, df=np.inf)


class TestRankCorrelation:
    def test_tau_is_the_share_of_concordant_pairs_less_that_of_discordant_ones(self):
        found = rank_correlation([1, 2, 3, 4, 5], known([0.1, 0.2, 0.3, 0.5, 0.4]))
        assert found.tau == pytest.approx((9 - 1) / 10)  # one pair of ten is the other way round
        assert found.spearman == pytest.approx(1 - 6 * 2 / (5 * 24))  # two ranks differ by one
        assert found.networks == 5

    def test_a_perfect_order_stays_one_in_every_draw_of_networks(self):
        found = rank_correlation([*range(12)], known([i / 20 for i in range(12)]))
        assert (found.tau, found.low, found.high) == (1, 1, 1)

    def test_no_order_has_an_interval_around_0(self):
        generator = np.random.default_rng(0)
        found = rank_correlation([*range(14)], known(generator.random(14).tolist()))
        assert found.low < 0 < found.high

    def test_the_error_of_the_accuracies_is_in_them_and_is_not_added_again(self):
        """Drawn once more around measured means, tau came out nearer to 0 than it was measured."""
        numbers, means = [*range(12)], [0.9 + i / 1000 for i in range(12)]
        sure, unsure = (rank_correlation(numbers, known(means, error)) for error in (1e-6, 0.01))
        assert (unsure.tau, unsure.low, unsure.high) == (sure.tau, sure.low, sure.high)
        assert sure.reliability == pytest.approx(1)
        assert unsure.reliability < 0.5

    def test_reliability_is_the_mean_of_one_minus_p(self):
        """Differences of one, one and two standard errors among three of five, and of many to the others."""
        means = [0.1, 0.1 + 2**0.5 * 1e-3, 0.1 + 2 * 2**0.5 * 1e-3, 0.5, 0.9]
        found = rank_correlation([*range(5)], known(means, 1e-3))
        assert found.reliability == pytest.approx((2 * 0.6826895 + 0.9544997 + 7) / 10, abs=1e-6)

    def test_ties_count_for_nobody(self):
        found = rank_correlation([1, 1, 2, 2, 3], known([0.1, 0.2, 0.3, 0.4, 0.5]))
        assert found.tau == pytest.approx(8 / (8 * 10) ** 0.5)

    @pytest.mark.parametrize("numbers", [[1, 2, 3, 4], [2] * 6])
    def test_what_has_no_order_is_refused(self, numbers):
        with pytest.raises(ComparisonError, match="wanted as many of both, 5 or more, and not all numbers equal"):
            rank_correlation(numbers, known([0.5] * len(numbers)))


class TestJoint:
    def test_what_two_share_is_in_the_covariance(self):
        """The same answers in both: their difference is known but for two pseudo-images, their means are not."""
        generator = np.random.default_rng(0)
        easy, other = (np.tile(generator.random(400) < 0.8, (3, 1)) for _ in range(2))
        spread = joint({"a": easy, "b": easy, "c": other}).covariance
        assert spread[0, 0] + spread[1, 1] - 2 * spread[0, 1] == pytest.approx(2 / 400**2)
        assert spread[0, 0] == pytest.approx(easy[0].var() / 400, rel=0.02)
        assert abs(spread[0, 2]) < 0.2 * spread[0, 0]

    def test_draws_have_the_means_and_the_covariance(self):
        found = Joint(names=("a", "b"), means=np.array([0.5, 0.7]), covariance=np.array([[4, 1], [1, 2]]), df=np.inf)
        draws = found.draws(100_000)
        assert draws.mean(0) == pytest.approx([0.5, 0.7], abs=0.03)
        assert np.cov(draws.T) == pytest.approx(found.covariance, rel=0.05)
        assert (draws == found.draws(100_000)).all()

    def test_few_seeds_have_heavier_tails(self):
        normal, few = (
            Joint(names=("a",), means=np.zeros(1), covariance=np.eye(1), df=df).draws(50_000) for df in (np.inf, 4)
        )
        assert (abs(few) > 3).mean() > 5 * (abs(normal) > 3).mean()


class TestRule:
    @pytest.mark.parametrize(
        ("tau", "low", "high", "reliability", "verdict"),
        [
            (0.6, 0.2, 0.9, 0.95, Verdict.REFUTED),
            (-0.6, -0.9, -0.2, 0.95, Verdict.REFUTED),
            (0.6, 0.2, 0.9, 0.6, Verdict.REFUTED),  # noise draws tau towards 0, and it is not there
            (0.25, 0.05, 0.45, 0.95, Verdict.REFUTED),  # also where it is within the bounds
            (0.1, -0.3, 0.4, 0.95, Verdict.SUPPORTED),
            (0.1, -0.3, 0.4, 0.79, Verdict.UNDECIDED),
            (0.3, -0.1, 0.6, 0.95, Verdict.UNDECIDED),
            (-0.3, -0.6, 0.1, 0.95, Verdict.UNDECIDED),
        ],
    )
    def test_verdicts(self, tau, low, high, reliability, verdict):
        found, sentence = decide(
            RankCorrelation(tau=tau, low=low, high=high, spearman=tau, networks=14, reliability=reliability)
        )
        assert found is verdict
        assert f"{tau:.2f} [{low:.2f}, {high:.2f}] over 14 networks" in sentence

    def test_noise_alone_never_supports_it(self):
        """Fourteen networks that are equally good, two seeds each: nothing is known of what orders them."""
        generator = np.random.default_rng(4)
        found = []
        for _ in range(60):
            easy = generator.beta(3, 0.5, 400)
            skills = generator.normal(0, 0.02, (14, 2, 1))  # the luck of each seed
            right = {f"n{k}": generator.random((2, 400)) < easy + skills[k] for k in range(14)}
            found.append(rank_correlation([*range(14)], joint(right)))
        assert Verdict.SUPPORTED not in {decide(one)[0] for one in found}
        within = [one for one in found if -PREDICTS < one.low < 0 < one.high < PREDICTS]
        assert within  # by the interval alone some would be
        assert max(one.reliability for one in found) < 0.7

    def test_reliable_accuracies_without_a_relation_support_it(self):
        generator = np.random.default_rng(5)
        order = generator.permutation(40)
        skills = 0.5 + order / 100
        right = {f"n{k}": np.tile(np.arange(2000) < 2000 * skills[k], (3, 1)) for k in range(40)}
        found = rank_correlation([*range(40)], joint(right))
        assert decide(found)[0] is Verdict.SUPPORTED


@pytest.mark.parametrize("size", ["small", "full"])
def test_at_least_twelve_networks_of_several_families(size):
    trials = plan(size)
    assert len({trial.job.name for trial in trials}) >= 12
    assert len({trial.job.model.architecture for trial in trials}) >= 4
    assert len({trial.name for trial in trials}) == len(trials)
