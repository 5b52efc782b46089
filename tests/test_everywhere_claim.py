"""Claim 6: who wins under which condition, and the rule; the trials answer corrupted images at their end."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lab2.data.corruptions import CORRUPTIONS
from lab2.measure.corrupted import read_corrupted, write_corrupted
from lab2.results.collect import collect
from lab2.study.claim import Verdict
from lab2.study.claims.everywhere import Answers, Condition, answers_of, conclude, decide, judge, plan
from lab2.study.evidence import Evidence
from lab2.trial import run_trial
from tests.answered import leave
from tests.conftest import make_run, make_trial


def condition(
    name: str, means: dict[str, float], beaten: str = "", behind: float = 0.001, worse: str = ""
) -> Condition:
    """All but the `beaten` ones are behind by at most `behind`."""
    reach = {one: 0.3 if one in beaten else behind for one in means}
    return Condition(name=name, means=means, worse=frozenset(beaten + worse), beaten=frozenset(beaten), behind=reach)


class TestJudged:
    def answers(self, share: float, seed: int) -> np.ndarray:
        return np.random.default_rng(seed).random((3, 500)) < share

    def test_who_is_shown_to_be_worse_is_beaten(self):
        right = {"a": self.answers(0.9, 1), "b": self.answers(0.6, 2), "c": self.answers(0.9, 3)}
        found = judge("clean", Answers(right=right), 0.001)
        assert found.beaten == found.worse == {"b"}
        assert set(found.best.split(" or ")) == {"a", "c"}
        assert found.behind["b"] > 0.25
        assert found.behind["a"] < 0.1

    def test_a_level_of_many_conditions_beats_fewer(self):
        right = Answers(right={"a": self.answers(0.80, 1), "b": self.answers(0.68, 2)})
        strict, lax = (judge("clean", right, alpha).beaten for alpha in (1e-6, 0.05))
        assert (sorted(strict), sorted(lax)) == ([], ["b"])

    def few_wrong(self, count: int, images: int = 10_000) -> np.ndarray:
        """Three seeds that are wrong about the same `count` images."""
        return np.tile(np.arange(images) >= count, (3, 1))

    def test_who_is_shown_to_be_worse_by_less_than_the_margin_is_not_beaten(self):
        """0.3 points, of 10,000 images: shown, and no reason to choose the other one."""
        found = judge("clean", Answers(right={"a": self.few_wrong(100), "b": self.few_wrong(130)}), 0.05 / 80)
        assert (sorted(found.worse), sorted(found.beaten), found.best) == (["b"], [], "a")
        assert found.behind["b"] < 0.02

    def test_groups_are_cases(self):
        """Forty images of a thousand tell the two apart, but they are one picture."""
        right = {"a": np.ones((3, 1000), bool), "b": self.few_wrong(80, 1000)}
        copies = np.maximum(np.arange(1000), 79)
        apart, together = (judge("clean", Answers(right=right, groups=groups), 0.05) for groups in (None, copies))
        assert (sorted(apart.beaten), sorted(together.worse)) == (["b"], [])


MEANS = {"a": 0.9, "b": 0.8}


class TestRead:
    def test_copies_are_one_case_also_where_they_are_corrupted_and_images_pair_in_any_order(self, runs):
        trials = []
        for name in ("cnn", "vit"):
            trial = make_trial("cnn", seed=1)
            data = replace(trial.data, dataset="mnist", corrupted=True)
            trials.append(replace(trial, job=replace(trial.job, name=f"{name}_mnist"), data=data))
        run = make_run(runs, *trials)
        places, generator = np.arange(40), np.random.default_rng(0)
        identities = np.where(places < 30, places, places - 10)  # the last ten are copies of those before
        fog = {trial.name: (generator.random((5, 30)) < 0.5)[:, identities] for trial in trials}
        for trial, order in zip(trials, (places, np.roll(places, 3)), strict=True):
            leave(run, trial, generator.random(40) < 0.5, order=order, images=identities)
            write_corrupted(run.corrupted(trial.name), {"fog": fog[trial.name][:, order]})
        found, notes = answers_of(Evidence(run, collect(run)))
        assert found.keys() == {"mnist", *(f"fog {strength}" for strength in range(1, 6))}
        assert any("10 of the 40 test images are copies of others" in note for note in notes)
        for answers in found.values():
            assert len(set(answers.groups)) == 30
            assert (answers.groups[20:30] == answers.groups[30:]).all()
        for name, trial in zip(("cnn", "vit"), trials, strict=True):
            assert (found["fog 3"].right[name][0] == fog[trial.name][2]).all()


class TestRule:
    def test_each_one_beaten_somewhere_supports_it(self):
        verdict, sentence = decide([condition("x", MEANS, "b"), condition("y", {"a": 0.5, "b": 0.7}, "a")])
        assert verdict is Verdict.SUPPORTED
        assert "shown to be the best of all somewhere: a, b" in sentence

    def test_one_that_is_nowhere_behind_refutes_it(self):
        verdict, sentence = decide([condition("x", MEANS, "b"), condition("y", MEANS)])
        assert verdict is Verdict.REFUTED
        assert "a is nowhere more than 2 points behind" in sentence

    def test_beaten_by_little_everywhere_is_within_the_margin_and_refutes_it(self):
        """The same data met both rules where any difference counted as beaten."""
        verdict, sentence = decide(
            [condition("x", MEANS, worse="b", behind=0.01), condition("y", MEANS, worse="a", behind=0.012)]
        )
        assert verdict is Verdict.REFUTED
        assert "at most 1.20, under y" in sentence

    def test_one_that_may_be_behind_decides_nothing(self):
        verdict, sentence = decide([condition("x", MEANS, "b"), condition("y", MEANS, behind=0.05)])
        assert verdict is Verdict.UNDECIDED
        assert "a: under none of 2 conditions shown to be more than 2 points behind another one" in sentence


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
    answers, _ = answers_of(evidence)
    assert len(answers) == 2 + 75
    assert (answers["fog 3"].right["cnn"][0] == found["fog"][2]).all()
    assert conclude(evidence).verdict in Verdict
