"""Claim 2: nested subsets, permuted pixels, learning curves and their crossing, and the rule."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lab2.compare.contrast import paired_contrast
from lab2.compare.joint import Joint
from lab2.compare.learning_curve import Crossing, crossing, fit_curves
from lab2.compare.resampling import Estimate
from lab2.data.rearranged import permuted, rearranged
from lab2.data.source import Images
from lab2.data.split import nested_draw, split
from lab2.errors import ComparisonError, ConfigError, DataError
from lab2.results.collect import collect
from lab2.spec.job import TRIAL, DataConfig, unused
from lab2.study.claim import Verdict
from lab2.study.claims.small_data import (
    SIZES,
    Found,
    about_crossing,
    conclude,
    decide,
    fitted,
    name_of,
    plan,
    where_they_cross,
)
from lab2.study.evidence import Evidence
from tests.answered import leave
from tests.conftest import make_run, make_trial

LABELS = np.repeat(np.arange(3), (600, 300, 100))
IMAGES = Images(np.arange(1000 * 4, dtype=np.int64).astype(np.uint8).reshape(1000, 1, 2, 2), LABELS)


class TestNested:
    def test_fewer_images_are_among_more_of_the_same_draw(self):
        draws = [set(nested_draw(LABELS, limit, 7).tolist()) for limit in (10, 30, 100, 999)]
        assert [len(one) for one in draws] == [10, 30, 100, 999]
        assert draws[0] < draws[1] < draws[2] < draws[3]

    def test_each_class_has_its_share(self):
        for limit in (10, 20, 100, 500):
            counts = np.bincount(LABELS[nested_draw(LABELS, limit, 1)], minlength=3)
            assert np.abs(counts - limit * np.array([0.6, 0.3, 0.1])).max() <= 1

    def test_another_number_draws_others(self):
        one, other = (set(nested_draw(LABELS, 100, number).tolist()) for number in (1, 2))
        assert len(one & other) < 40

    def test_the_split_draws_by_it_and_validates_on_the_same_images(self):
        config = DataConfig(train_images=50, train_draw=1)
        train, validation = split(IMAGES, config)
        again, same = split(IMAGES, replace(config, train_draw=2))
        assert len(train) == len(again) == 50
        assert (train.pixels != again.pixels).any()
        assert (validation.pixels == same.pixels).all()

    def test_a_number_without_a_limit_is_refused(self):
        with pytest.raises(ConfigError, match="train_draw=1 draws nothing without a limit"):
            DataConfig(train_draw=1)

    def test_each_new_field_makes_another_trial_and_none_of_them_the_one_that_it_was(self):
        data, text = make_trial().data, TRIAL.dump_json(make_trial(), exclude={"data": unused(make_trial().data)})
        assert b"train_draw" not in text
        for name, value in (("train_draw", 0), ("permutation", 0), ("enlarge", 2), ("corrupted", True)):
            trial = make_trial()
            assert replace(trial, data=replace(data, **{name: value})).digest != trial.digest


class TestPermuted:
    def test_all_images_have_the_same_other_order_of_the_same_pixels(self):
        pixels = np.random.default_rng(0).integers(0, 256, (5, 3, 6, 6), dtype=np.uint8)
        found = permuted(pixels, 4)
        assert (np.sort(found.reshape(5, 3, -1)) == np.sort(pixels.reshape(5, 3, -1))).all()
        places = permuted(np.arange(36, dtype=np.uint8).reshape(1, 1, 6, 6), 4).ravel()
        assert (found.reshape(5, 3, -1) == pixels.reshape(5, 3, -1)[:, :, places]).all()
        assert (permuted(pixels, 5) != found).any()

    def test_enlarged_pixels_are_squares(self):
        images = Images(np.array([[[[1, 2], [3, 4]]]], np.uint8), np.array([0]))
        found = rearranged(images, DataConfig(enlarge=2)).pixels
        assert np.asarray(found)[0, 0].tolist() == [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]

    def test_images_with_boxes_are_refused(self):
        images = Images(np.zeros((0, 1, 2, 2), np.uint8), np.zeros(0, np.int64), objects=())
        with pytest.raises(DataError, match="have no boxes; leave them out"):
            rearranged(images, DataConfig(permutation=1))


class TestCurves:
    SIZES = (100, 316, 1000, 3162, 10_000)

    def test_a_power_law_is_found_again(self):
        sizes = np.array(self.SIZES, float)
        errors = 0.02 + 3 * sizes**-0.5
        found = fit_curves(self.SIZES, errors[None], np.full(5, 1e-6))
        assert (found.alpha[0], found.eta[0], found.gamma[0]) == pytest.approx((0.02, 3, -0.5), rel=1e-6)
        assert found.errors(np.array([400.0]))[0, 0] == pytest.approx(0.02 + 3 / 20)

    def test_another_exponent_is_found_where_the_data_are_sure(self):
        sizes = np.array(self.SIZES, float)
        found = fit_curves(self.SIZES, (0.01 + 5 * sizes**-0.75)[None], np.full(5, 1e-6))
        assert found.gamma[0] == pytest.approx(-0.75)

    def test_nothing_is_below_0(self):
        found = fit_curves(self.SIZES, np.array([[0.5, 0.1, 0.01, 0.001, 0.0], [0.1, 0.2, 0.3, 0.4, 0.5]]), np.ones(5))
        assert (found.alpha >= 0).all()
        assert (found.eta >= 0).all()

    def test_two_sizes_make_no_curve(self):
        with pytest.raises(ComparisonError, match="wanted three or more"):
            fit_curves((1, 2), np.ones((1, 2)), np.ones(2))

    def test_where_two_cross(self):
        """0.02 + 3 / sqrt(n) and 0.05 + 1.5 / sqrt(n) are equal where sqrt(n) = 50."""
        sizes = np.array(self.SIZES, float)
        steep, flat = (
            fit_curves(self.SIZES, (a + b * sizes**-0.5)[None], np.full(5, 1e-6)) for a, b in ((0.02, 3), (0.05, 1.5))
        )
        found = crossing(self.SIZES, (steep, steep), (flat, flat))
        assert found.size == pytest.approx(2500, rel=0.01)
        assert found.share == 1
        apart = crossing(self.SIZES, (steep, steep), (steep, steep))
        assert (apart.size, apart.low, apart.share) == (None, None, 0)

    def test_the_crossing_of_a_joint_distribution_has_an_interval_around_it(self):
        sizes = np.array(self.SIZES, float)
        means = np.concatenate([1 - (0.02 + 3 * sizes**-0.5), 1 - (0.05 + 1.5 * sizes**-0.5)])
        names = tuple(name_of(job, n, False) for job in ("cnn", "vit") for n in self.SIZES)
        accuracy = Joint(names=names, means=means, covariance=np.eye(10) * 0.002**2, df=np.inf)
        cnn, vit = (fitted(accuracy, job, [*self.SIZES], permuted=False) for job in ("cnn", "vit"))
        found = where_they_cross([*self.SIZES], cnn, vit)
        assert found.low < 2500 < found.high
        assert found.share > 0.95


class TestContrast:
    def test_it_is_the_paired_formula(self):
        """W_si = Y_Asi - Y_Bsi, written as docs/statistics.md has it."""
        generator = np.random.default_rng(3)
        a, b = (generator.random((4, 300)) < share for share in (0.8, 0.7))
        w = a.astype(float) - b
        seeds, images = w.shape
        left = w - w.mean(1, keepdims=True) - w.mean(0) + w.mean()
        residual = (left**2).sum() / ((seeds - 1) * (images - 1))
        s2 = max(w.mean(1).var(ddof=1), residual / images)
        variance = s2 / seeds + max(0.0, w.mean(0).var(ddof=1) - residual / seeds) / images
        found = paired_contrast({"a": a, "b": b}, {"a": 1, "b": -1})
        assert found.value == pytest.approx(w.mean())
        assert found.error**2 == pytest.approx(variance)
        assert found.low < found.value < found.high

    @pytest.mark.parametrize(
        ("counts", "weights", "message"),
        [
            ((2, 2), {"a": 1, "c": 1}, "contrast of c: wanted some of a, b"),
            ((2, 3), {"a": 1, "b": -1}, "wanted the same number for all, 2 or more"),
            ((1, 1), {"a": 1, "b": -1}, "wanted the same number for all, 2 or more"),
        ],
    )
    def test_what_cannot_pair_is_refused(self, counts, weights, message):
        right = {name: np.ones((count, 9), bool) for name, count in zip("ab", counts, strict=True)}
        with pytest.raises(ComparisonError, match=message):
            paired_contrast(right, weights)


class TestRule:
    def found(self, ordered: float, left: float, half: float = 0.005) -> Found:
        """The gap in order, and what is left of it with permuted pixels; every interval as wide."""

        def estimate(value: float) -> Estimate:
            return Estimate(value=value, low=value - half, high=value + half, error=half, df=9, method="made")

        return Found(ordered=estimate(ordered), permuted=estimate(left), excess=estimate(ordered / 2 - left))

    @pytest.mark.parametrize(
        ("ordered", "left", "verdict"),
        [
            (0.10, 0.01, Verdict.SUPPORTED),
            (0.10, 0.09, Verdict.REFUTED),  # the advantage is no matter of neighbours
            (-0.05, 0.0, Verdict.REFUTED),  # it does not win
            (0.10, 0.05, Verdict.UNDECIDED),
            (0.002, 0.0, Verdict.UNDECIDED),
        ],
    )
    def test_verdicts(self, ordered, left, verdict):
        found, sentence = decide(self.found(ordered, left))
        assert found is verdict
        assert f"{100 * ordered:.2f} [" in sentence


class TestCrossing:
    @pytest.mark.parametrize(
        ("share", "size", "said"),
        [
            (1.0, 700.0, "the curves cross between 100 and 10,000 training images, pixels in order: in 100% of"),
            (0.02, None, "the curves do not cross between 100 and 10,000"),
            (
                0.4,
                700.0,
                "whether the curves cross between 100 and 10,000 training images, pixels in order is not decided",
            ),
        ],
    )
    def test_it_is_stated_that_they_do_that_they_do_not_or_neither(self, share, size, said):
        found = Crossing(size=size, low=600.0, high=800.0, share=share)
        figure, sentence = about_crossing(False, [100, 1_000, 10_000], found)
        assert said in sentence
        assert figure.value == (size if share == 1 else None)


def test_both_networks_get_the_same_nested_subsets_and_each_seed_others():
    trials = plan("small")
    for trial in trials:
        assert trial.data.train_draw == trial.seed
    drawn = {(trial.job.model.architecture, trial.data, trial.seed) for trial in trials}
    assert {(data, seed) for name, data, seed in drawn if name == "cnn"} == {
        (data, seed) for name, data, seed in drawn if name == "vit"
    }
    assert {trial.job.train.images for trial in trials} == {200_000}


def test_accuracies_and_the_curves_through_them_are_shown_with_intervals(runs):
    """Errors of exactly 0.05 + 3 / sqrt(n) and 0.1 + 6 / sqrt(n), in the same images for all seeds."""
    run = make_run(runs, *plan("small"))
    laws = {"cnn": (0.05, 3.0), "vit": (0.1, 6.0)}
    for trial in run.read_plan().trials:
        alpha, eta = laws[trial.job.model.architecture]
        wrong = alpha + eta * trial.data.train_images**-0.5
        leave(run, trial, np.arange(20_000) >= round(20_000 * wrong))
    found = conclude(Evidence(run, collect(run)))
    accuracy, curves = found.tables
    assert accuracy.columns == ("training images", "CNN", "ViT", "CNN, permuted", "ViT, permuted")
    assert [row[0] for row in accuracy.rows] == [f"{images:,}" for images in SIZES["small"]]
    assert accuracy.rows[0][1].startswith("65.00% [6")
    assert accuracy.rows[-1][2].startswith("84.00% [8")
    assert [row[0] for row in curves.rows] == ["CNN", "ViT", "CNN, permuted", "ViT, permuted"]
    for row, (alpha, eta) in zip(curves.rows, 2 * [*laws.values()], strict=True):
        numbers = [[float(n.strip("[]%,")) for n in cell.split(" ")] for cell in row[1:]]
        for (value, low, high), wanted, error in zip(numbers, (100 * alpha, eta, -0.5), (0.1, 0.05, 0.01), strict=True):
            assert value == pytest.approx(wanted, abs=error)
            assert low <= wanted + error
            assert high >= wanted - error
            assert low < high
