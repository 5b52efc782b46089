"""Claim 6: who wins under which condition, and the rule; the trials answer corrupted images at their end."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lab2.data.corruptions import CORRUPTIONS
from lab2.measure.corrupted import read_corrupted
from lab2.results.collect import collect
from lab2.study.claim import Verdict
from lab2.study.claims.everywhere import Condition, conclude, correctness_of, decide, judge, plan
from lab2.study.evidence import Evidence
from lab2.trial import run_trial
from tests.conftest import make_run, make_trial


def condition(name: str, means: dict[str, float], beaten: str = "", behind: float = 0.001) -> Condition:
    """All but the `beaten` ones are behind by at most `behind`."""
    reach = {one: 0.3 if one in beaten else behind for one in means}
    return Condition(name=name, means=means, beaten=frozenset(beaten), behind=reach)


class TestJudged:
    def answers(self, share: float, seed: int) -> np.ndarray:
        return np.random.default_rng(seed).random((3, 500)) < share

    def test_who_is_shown_to_be_worse_is_beaten(self):
        found = judge("clean", {"a": self.answers(0.9, 1), "b": self.answers(0.6, 2), "c": self.answers(0.9, 3)}, 0.001)
        assert found.beaten == {"b"}
        assert set(found.best.split(" or ")) == {"a", "c"}
        assert found.behind["b"] > 0.25
        assert found.behind["a"] < 0.1

    def test_a_level_of_many_conditions_beats_fewer(self):
        right = {"a": self.answers(0.80, 1), "b": self.answers(0.74, 2)}
        strict, lax = (judge("clean", right, alpha).beaten for alpha in (1e-6, 0.05))
        assert (sorted(strict), sorted(lax)) == ([], ["b"])


MEANS = {"a": 0.9, "b": 0.8}


class TestRule:
    def test_each_one_beaten_somewhere_supports_it(self):
        verdict, sentence = decide([condition("x", MEANS, "b"), condition("y", {"a": 0.5, "b": 0.7}, "a")])
        assert verdict is Verdict.SUPPORTED
        assert "shown to be the best of all somewhere: a, b" in sentence

    def test_one_that_is_nowhere_behind_refutes_it(self):
        verdict, sentence = decide([condition("x", MEANS, "b"), condition("y", MEANS)])
        assert verdict is Verdict.REFUTED
        assert "a is nowhere more than 2 points behind" in sentence

    def test_one_that_may_be_behind_decides_nothing(self):
        verdict, sentence = decide([condition("x", MEANS, "b"), condition("y", MEANS, behind=0.05)])
        assert verdict is Verdict.UNDECIDED
        assert "a: beaten under none of 2 conditions" in sentence


@pytest.mark.parametrize("size", ["small", "full"])
def test_three_data_sets_or_more_of_which_one_is_corrupted(size):
    trials = plan(size)
    assert len({trial.data.dataset for trial in trials}) >= 3
    assert {trial.data.dataset for trial in trials if trial.data.corrupted} == {"mnist"}


@pytest.mark.slow
def test_trials_answer_corrupted_images_and_are_compared_on_them(runs):
    trials = []
    for name in ("cnn", "vit"):
        for dataset in ("mnist", "optdigits"):
            trial = make_trial(name, epochs=3)
            data = replace(trial.data, dataset=dataset, corrupted=dataset == "mnist", train_images=200, test_images=60)
            trials.append(replace(trial, job=replace(trial.job, name=f"{name}_{dataset}"), data=data))
    run = make_run(runs, *trials)
    for trial in trials:
        shard = run_trial(trial, run, device="cpu", threads=1)
        assert shard.status == "ok", shard.reason
    found = read_corrupted(run.corrupted("cnn_mnist-seed1"))
    assert found.keys() == CORRUPTIONS.keys()
    assert {one.shape for one in found.values()} == {(5, 60)}
    assert not run.corrupted("cnn_optdigits-seed1").exists()
    evidence = Evidence(run, collect(run))
    right, _ = correctness_of(evidence)
    assert len(right) == 2 + 75
    assert (right["fog 3"]["cnn"][0] == found["fog"][2]).all()
    assert conclude(evidence).verdict in Verdict
