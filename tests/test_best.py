"""The probability that a row is the best: by the t distribution for two rows, by integration for three."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from lab2.compare.best import DRAWS, _first, probability_best
from lab2.compare.comparison import compare
from lab2.compare.joint import Joint, joint
from tests.answered import among

ERROR = 4 * (0.25 / DRAWS) ** 0.5  # four standard errors of a share of draws


def recipes(*accuracies: float, seeds: int = 4, images: int = 800) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(1)
    hard = generator.random(images) ** 2
    return {
        f"r{k}": generator.random((seeds, images)) > hard * (1 - one) * 3 for k, one in enumerate(accuracies)
    }  # fmt: skip


def first(means: np.ndarray, covariance: np.ndarray, df: float) -> np.ndarray:
    names = tuple(map(str, range(len(means))))
    return _first(Joint(names=names, means=means, covariance=covariance, df=df).draws(DRAWS))


def test_of_two_rows_it_is_one_minus_half_their_p():
    found = compare(recipes(0.9, 0.88))
    (pair,) = found.pairs
    shares = probability_best(found)
    assert 0.01 < pair.answer.p < 0.99
    assert shares[pair.first] == pytest.approx(1 - pair.answer.p / 2, abs=ERROR)
    assert sum(shares.values()) == pytest.approx(1)


def test_of_two_networks_that_few_images_tell_apart_it_is_no_surer_than_their_interval():
    """Five images of a thousand: an exact test says p = 2 / 2^5."""
    rights = {"a": np.ones((1, 1000), bool), "b": ~among(1000, range(5))[None]}
    assert probability_best(compare(rights))["a"] == pytest.approx(1 - 1 / 2**5, abs=0.01)


def test_of_three_it_is_the_integral_over_the_largest():
    """Independent normal means: P(k is the largest) = integral of its density times the others' distributions."""
    means, errors = np.array([0.3, 0.0, -0.2]), np.array([0.5, 1.0, 0.2])
    found = first(means, np.diag(errors**2), np.inf)
    for k in range(3):
        others = [m for m in range(3) if m != k]

        def density(x: float, k: int = k, others: list[int] = others) -> float:
            rest = np.prod([stats.norm.cdf(x, means[m], errors[m]) for m in others])
            return float(stats.norm.pdf(x, means[k], errors[k]) * rest)

        assert found[k] == pytest.approx(integrate.quad(density, -6, 6)[0], abs=ERROR)


def test_few_degrees_of_freedom_make_it_less_sure():
    means, covariance = np.array([1.0, 0.0]), np.eye(2) / 8
    for df in (2.0, 30.0):
        assert first(means, covariance, df)[0] == pytest.approx(stats.t.cdf(2, df), abs=ERROR)


def test_rows_with_the_same_answers_share_it():
    a = among(1000, range(900))[None].repeat(3, 0)
    shares = probability_best(compare({"a": a, "b": a, "c": among(1000, range(500))[None].repeat(3, 0)}))
    assert shares["a"] == pytest.approx(0.5, abs=0.01)
    assert shares["b"] == pytest.approx(0.5, abs=0.01)
    assert shares["c"] == 0


def test_it_repeats_and_a_row_alone_is_certain():
    found = compare(recipes(0.9, 0.89, 0.88))
    assert probability_best(found) == probability_best(found)
    assert probability_best(found.among(["r1"])) == {"r1": 1.0}


def test_only_the_rows_that_are_asked_for_share_it():
    found = compare(recipes(0.9, 0.89, 0.5))
    kept = found.among(["r2", "r1"])
    assert [row.name for row in kept.rows] == ["r1", "r2"]
    assert [(pair.first, pair.second) for pair in kept.pairs] == [("r1", "r2")]
    assert kept.covariance.shape == (2, 2)
    assert probability_best(kept).keys() == {"r1", "r2"}


def test_a_study_and_a_recommendation_draw_from_one_distribution():
    """`joint` reads the answers as `compare` does: the fewest degrees of freedom, and no difference surer than its."""
    rights = recipes(0.9, 0.895, 0.88, seeds=3)
    rights["r3"] = rights["r0"].copy()
    rights["r3"][:, :4] ^= True  # few images tell it from the first
    compared, found = compare(rights), joint(rights)
    assert found.df == min(pair.answer.df for pair in compared.pairs)
    for pair in compared.pairs:
        k, m = found.names.index(pair.first), found.names.index(pair.second)
        between = found.covariance[k, k] + found.covariance[m, m] - 2 * found.covariance[k, m]
        assert between >= pair.answer.variance * (1 - 1e-9)
    shares = _first(found.draws(DRAWS))
    assert dict(zip(found.names, shares, strict=True)) == pytest.approx(probability_best(compared), abs=ERROR)
