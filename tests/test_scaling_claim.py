"""Claim 3: exponents and thresholds of known costs, and the rule."""

from __future__ import annotations

import numpy as np
import pytest

from lab2.compare.growth import Measured, exponent, where_quadratic_outweighs
from lab2.errors import ComparisonError
from lab2.results.collect import collect
from lab2.results.shard import write_shard
from lab2.study.claim import Verdict
from lab2.study.claims.scaling import Growth, conclude, decide, plan
from lab2.study.evidence import Evidence
from tests.conftest import finished, make_run

PIXELS = np.array([28.0, 56, 112, 224]) ** 2


def costs(*rows: np.ndarray) -> np.ndarray:
    return np.stack(rows)


class TestExponent:
    @pytest.mark.parametrize("power", [1.0, 1.5, 2.0])
    def test_a_fixed_cost_does_not_change_it(self, power):
        repeats = costs(*(fixed + 3e-6 * PIXELS**power for fixed in (0.1, 5.0, 900.0)))
        found = exponent(PIXELS, repeats)
        assert found.value == pytest.approx(power, abs=1e-6)
        assert found.high - found.low < 1e-5

    def test_repeats_that_differ_widen_it(self):
        found = exponent(PIXELS, costs(PIXELS**1.8, PIXELS**2.0, PIXELS**2.2))
        assert found.value == pytest.approx(2.0)
        half = 4.302653 * 0.2 / 3**0.5  # Student's t with two degrees of freedom
        assert found.high == pytest.approx(2.0 + half, abs=0.01)

    def test_what_does_not_grow_has_none(self):
        assert exponent(PIXELS, costs(PIXELS, np.ones(4))) is None

    @pytest.mark.parametrize(
        ("sizes", "shape"),
        [([1.0, 2.0], (2, 2)), ([1.0, 2.0, 4.0], (1, 3)), ([1.0, 2.0, 3.0], (2, 3)), ([4, 2, 1], (2, 3))],
    )
    def test_too_few_or_uneven_sizes_are_refused(self, sizes, shape):
        with pytest.raises(ComparisonError, match="wanted"):
            exponent(np.array(sizes, float), np.arange(1.0, 1 + shape[0] * shape[1]).reshape(shape))


class TestThreshold:
    def test_it_is_where_the_two_parts_are_equal(self):
        """5 + 2e-3 x + 1e-6 x^2: equal at x = 2,000."""
        found = where_quadratic_outweighs(PIXELS, costs(*(f * (5 + 2e-3 * PIXELS + 1e-6 * PIXELS**2) for f in (1, 2))))
        assert found.value == pytest.approx(2000, rel=1e-6)

    def test_a_linear_cost_has_none(self):
        assert where_quadratic_outweighs(PIXELS, costs(PIXELS, 2 * PIXELS)) is None


class TestRule:
    def growths(self, attention: float, convolution: float, half: float = 0.1) -> list[Growth]:
        return [
            Growth(
                network=network,
                cost=cost,
                exponent=Measured(value=value, low=value - half, high=value + half),
                of_all=Measured(value=value, low=value - 1.6 * half, high=value + 1.6 * half),
            )
            for network, value in (("attention", attention), ("convolution", convolution))
            for cost in ("time", "memory")
        ]

    @pytest.mark.parametrize(
        ("attention", "convolution", "half", "verdict"),
        [
            (1.9, 1.0, 0.1, Verdict.SUPPORTED),
            (1.0, 1.0, 0.1, Verdict.REFUTED),
            (1.9, 1.6, 0.1, Verdict.REFUTED),
            (1.9, 1.4, 0.1, Verdict.UNDECIDED),  # one of four is outside now and then
            (1.6, 1.0, 0.2, Verdict.UNDECIDED),
        ],
    )
    def test_verdicts(self, attention, convolution, half, verdict):
        found, sentence = decide(self.growths(attention, convolution, half))
        assert found is verdict
        assert f"time of attention: {attention:.2f}" in sentence

    def test_what_was_not_measured_decides_nothing(self):
        found = [*self.growths(1.9, 1.0)[:3], Growth(network="convolution", cost="memory", exponent=None, of_all=None)]
        verdict, sentence = decide(found)
        assert verdict is Verdict.UNDECIDED
        assert "memory of convolution: not determined" in sentence


def test_sides_double_and_each_network_has_as_many_steps():
    trials = plan("small")
    assert sorted({28 * trial.data.enlarge for trial in trials}) == [28, 56, 112, 224]
    assert {trial.job.train.batch_size for trial in trials} == {2}
    assert {trial.data.train_images for trial in trials} == {40}


@pytest.mark.parametrize(
    ("elsewhere", "verdict"),
    [({}, Verdict.SUPPORTED), ({"device_name": "another CPU"}, Verdict.UNDECIDED), ({"threads": 1}, Verdict.UNDECIDED)],
)
def test_times_of_several_machines_are_not_judged(runs, elsewhere, verdict):
    run = make_run(runs, *plan("small"))
    for trial in run.read_plan().trials:
        power = 2 if trial.job.name.startswith("attention") else 1
        cost = (1 + (28.0 * trial.data.enlarge) ** (2 * power)) * (1 + 0.001 * trial.seed)
        last = trial.name == "convolution_224-seed4"
        place = {"device_name": "a CPU", "device": "cpu", "threads": 2} | (elsewhere if last else {})
        shard = finished(trial, train_seconds=1e-6 * cost, peak_memory_bytes=round(cost), **place)
        write_shard(run.shard(trial.name), shard)
    found = conclude(Evidence(run, collect(run)))
    assert found.verdict is verdict
    assert ("time and memory are not judged: measured in several places" in found.sentence) is bool(elsewhere)
