"""Which settings mattered: what is known to matter is found, and noise is called noise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from lab2.spec.space import Choice, Dimension, Range
from lab2.tune.importance import Importance, importances
from lab2.tune.settings import settings_of

SPACE: dict[str, Dimension] = {
    "train.learning_rate": Range(1e-4, 1e-2, log=True),
    "train.batch_size": Choice(32, 64, 128),
    "train.flip": Range(0.0, 1.0),
    "train.jitter": Range(0.0, 1.0),
}


def drawn(count: int, seed: int = 1) -> list[dict[str, Any]]:
    return [settings_of(SPACE, seed, "cnn", i) for i in range(1, count + 1)]


def test_what_decides_is_found_and_the_rest_is_told_to_be_noise():
    settings = drawn(24)
    noise = np.random.default_rng(0).normal(0, 0.01, 24)
    scores = [0.9 - 0.1 * (math.log10(one["train.learning_rate"]) + 3) ** 2 for one in settings]
    first, *others = importances(SPACE, settings, list(scores + noise))
    assert first.name == "train.learning_rate"
    assert first.told
    assert first.share > 0.2
    assert not any(one.told for one in others)
    assert {one.text for one in others} == {"cannot be told from noise"}


@pytest.mark.slow
def test_shares_of_a_sum_are_those_of_its_parts():
    """3 x and y, both uniform: 9 and 1 of 10 parts of the variance. A forest of 300 trials sees most of it."""
    settings = drawn(300)
    found = importances(SPACE, settings, [3 * one["train.flip"] + one["train.jitter"] for one in settings])
    shares = {one.name: one.share for one in found}
    assert 0.7 < shares["train.flip"] < 0.95
    assert 0.03 < shares["train.jitter"] < 0.12
    assert [one.name for one in found[:2]] == ["train.flip", "train.jitter"]
    assert all(one.told for one in found[:2])


@pytest.mark.slow
def test_of_noise_no_more_than_one_in_twenty_studies_tells_anything():
    told = 0
    for seed in range(20):
        scores = list(np.random.default_rng(seed).random(16))
        told += any(one.told for one in importances(SPACE, drawn(16, seed), scores))
    assert told <= 4  # more than 4 of 20 has a probability of 0.3 % where 5 % are told


@pytest.mark.slow
def test_a_failed_trial_counts_as_the_worst_that_ended():
    space = {"train.flip": SPACE["train.flip"]}
    settings = [{"train.flip": one["train.flip"]} for one in drawn(10)]
    scores = [0.5 + 0.4 * one["train.flip"] for one in settings]
    worst = min(scores[1:])
    assert importances(space, settings, [None, *scores[1:]]) == importances(space, settings, [worst, *scores[1:]])


@pytest.mark.parametrize("scores", [[0.5, 0.6] * 4, [0.5] * 12, [None] * 12, [None] * 11 + [0.5]])
def test_too_few_trials_and_equal_scores_tell_nothing(scores):
    found = importances(SPACE, drawn(len(scores)), scores)
    assert [one.name for one in found] == sorted(SPACE)
    assert all(math.isnan(one.share) and not one.told for one in found)


def test_a_share_is_shown_as_per_cent():
    assert Importance(name="a", share=0.234, p=0.025).text == "23%"
    assert Importance(name="a", share=0.234, p=0.2).text == "cannot be told from noise"
