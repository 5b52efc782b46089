"""Intervals of macro F1, of the calibration error and of percentiles."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import f1_score, recall_score

from lab2.compare.correctness import Correctness, samples
from lab2.compare.figures import (
    balanced_accuracy,
    blocks_of,
    calibration_error,
    calibration_sums,
    f1_sums,
    macro_f1,
    mean,
    mean_sums,
)
from lab2.compare.percentile import percentile_interval
from lab2.compare.resampling import jackknife, pigeonhole, pseudo_values
from lab2.compare.variance import estimate
from lab2.errors import ComparisonError
from lab2.measure import scores
from lab2.measure.predictions import NO_PREDICTION, Predictions


def answered(seeds: int, images: int, classes: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Truth and answers, of images of all difficulties."""
    generator = np.random.default_rng(seed)
    truth, hard = generator.integers(classes - 1, size=images), generator.random(images) ** 2
    wrong = generator.random((seeds, images)) < hard
    return truth, np.where(wrong, generator.integers(-1, classes, (seeds, images)), truth)


def accuracy(totals: np.ndarray) -> np.ndarray:
    return np.asarray(totals[..., 0] / totals[..., 1])


def test_macro_f1_is_scikit_learns():
    truth, answers = answered(3, 200)
    sums = f1_sums(truth, answers, 4, blocks_of(200))
    wanted = [f1_score(truth, one, labels=[0, 1, 2], average="macro", zero_division=0) for one in answers]
    assert macro_f1(sums.sum(1)) == pytest.approx(wanted)  # class 3 has no images
    assert NO_PREDICTION == -1
    # Without the images of block 7, too.
    kept = np.arange(200) % 200 != 7
    one = f1_score(truth[kept], answers[0][kept], labels=[0, 1, 2], average="macro", zero_division=0)
    assert macro_f1(sums.sum(1) - sums[:, 7])[0] == pytest.approx(one)


def test_the_calibration_error_is_that_of_the_table():
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet([0.3] * 5, size=300).astype(np.float64)
    truth = generator.integers(5, size=300)
    confidence, right = probabilities.max(1)[None], (probabilities.argmax(1) == truth)[None]
    found = calibration_error(calibration_sums(confidence, right, blocks_of(300)).sum(1))
    wanted = scores.calibration_error(Predictions(truth, probabilities.argmax(1), probabilities))
    assert found == pytest.approx([wanted])


def test_balanced_accuracy_is_scikit_learns():
    truth, answers = answered(3, 200)
    wanted = [recall_score(truth, one, labels=[0, 1, 2], average="macro", zero_division=0) for one in answers]
    assert balanced_accuracy(f1_sums(truth, answers, 4, blocks_of(200)).sum(1)) == pytest.approx(wanted)


def test_the_jackknife_of_a_mean_is_its_standard_error():
    losses = np.random.default_rng(0).exponential(size=(1, 150))
    found = jackknife(mean_sums(losses, blocks_of(150)), mean)
    assert (found.value, found.error) == pytest.approx((losses.mean(), losses.std(ddof=1) / np.sqrt(150)))


class TestJackknife:
    def test_of_accuracy_is_the_closed_form(self):
        truth, answers = answered(4, 150)
        right = answers == truth
        sums = np.stack([right.astype(float), np.ones(right.shape)], -1)
        first, second = pseudo_values(sums[:2], accuracy), pseudo_values(sums[2:], accuracy)
        wanted = samples(Correctness(("a", "b"), (right[:2], right[2:])))
        found = estimate([first, second]).between(0, 1), estimate(wanted).between(0, 1)
        assert found[0].variance == pytest.approx(found[1].variance)
        one = jackknife(sums[:2], accuracy, sums[2:])
        assert (one.value, one.error**2) == pytest.approx((right[:2].mean() - right[2:].mean(), found[1].variance))

    def test_leaves_out_each_image(self):
        truth, answers = answered(1, 60)
        left_out = np.array([
            f1_score(np.delete(truth, i), np.delete(answers[0], i), labels=[0, 1, 2], average="macro", zero_division=0)
            for i in range(60)
        ])  # fmt: skip
        found = jackknife(f1_sums(truth, answers, 4, blocks_of(60)), macro_f1)
        assert found.error**2 == pytest.approx(59 / 60 * ((left_out - left_out.mean()) ** 2).sum())
        assert found.df == pytest.approx(59)

    def test_covers_macro_f1(self):
        generator = np.random.default_rng(1)
        many = generator.random(10**6) ** 2 + generator.normal(size=10**6) / 20
        truth = 1 - 2 / 3 * np.clip(many, 0, 1).mean()  # classes are alike: F1 is the accuracy
        held = 0
        for _ in range(300):
            ability = generator.normal(size=3) / 20  # luck of seeds
            hard = generator.random(500) ** 2
            labels = generator.integers(3, size=500)
            wrong = generator.random((3, 500)) < hard + ability[:, None]
            answers = np.where(wrong, generator.integers(3, size=(3, 500)), labels)
            found = jackknife(f1_sums(labels, answers, 3, blocks_of(500)), macro_f1)
            held += found.low <= truth <= found.high
        assert held / 300 > 0.95 - 3 * 0.0126  # three deviations

    def test_takes_groups_as_blocks(self):
        truth, answers = answered(2, 120)
        sums = f1_sums(truth, answers, 4, blocks_of(120, np.arange(120) // 10))
        assert sums.shape == (2, 12, 12)
        assert jackknife(sums, macro_f1).df < 12

    def test_many_groups_stay_whole_in_fewer_blocks(self):
        groups = np.arange(1000) // 2
        blocks = blocks_of(1000, groups)
        assert len(set(blocks.tolist())) == 200
        assert all(len(set(blocks[groups == one].tolist())) == 1 for one in range(500))


class TestPigeonhole:
    def test_of_accuracy_has_owens_variance(self):
        # Over images and seeds, about sigma_a^2 / S + sigma_b^2 / N + 3 sigma_e^2 / (S N): Owen 2007, theorem 3.
        generator = np.random.default_rng(0)
        noise = generator.normal(size=(40, 400, 1))
        sums = np.concatenate([noise, np.ones_like(noise)], -1)
        found = pigeonhole(sums, accuracy, draws=4000)
        assert found.error**2 == pytest.approx(3 / (40 * 400), rel=0.15)

    def test_is_no_narrower_than_the_jackknife(self):
        truth, answers = answered(5, 400)
        sums = f1_sums(truth, answers, 4, blocks_of(400))
        one, other = jackknife(sums, macro_f1), pigeonhole(sums, macro_f1)
        assert other.value == pytest.approx(one.value)
        assert other.error > one.error
        assert "conservative" in other.method

    def test_of_a_difference_draws_the_same_images_for_both(self):
        truth, answers = answered(4, 400)
        sums = f1_sums(truth, answers, 4, blocks_of(400))
        apart = pigeonhole(sums[:2], macro_f1, sums[2:])
        alone = pigeonhole(sums[:2], macro_f1).error
        assert apart.error < alone * np.sqrt(2)  # the images' difficulty cancels
        assert pigeonhole(sums, macro_f1, sums).value == 0

    def test_repeats(self):
        truth, answers = answered(3, 100)
        sums = f1_sums(truth, answers, 4, blocks_of(100))
        assert pigeonhole(sums, macro_f1, draws=50) == pigeonhole(sums, macro_f1, draws=50)

    def test_takes_one_seed_as_it_is(self):
        truth, answers = answered(1, 300)
        sums = f1_sums(truth, answers, 4, blocks_of(300))
        assert pigeonhole(sums, macro_f1).error == pytest.approx(jackknife(sums, macro_f1).error, rel=0.2)


class TestPercentile:
    def test_of_ten_measurements_by_hand(self):
        # The median of ten: between the 2nd and the 9th, with 1 - 2 (1 + 10) / 2^10 = 97.9 %.
        found = percentile_interval(np.arange(1, 11), 0.5)
        assert (found.value, found.low, found.high) == (5.5, 2.0, 9.0)

    def test_says_where_measurements_are_too_few(self):
        assert percentile_interval(np.arange(50), 0.95).high is None  # 1 - 0.95^50 is 92 %
        assert percentile_interval(np.arange(100), 0.95).high == 99.0
        assert percentile_interval([1.0], 0.5).low is None

    @pytest.mark.parametrize(("share", "count"), [(0.5, 20), (0.95, 150), (0.9, 61)])
    def test_holds_at_least_as_often_as_it_says(self, share, count):
        # x_(l) <= q <= x_(u) for l <= B < u, B binomial: its probability, whatever the distribution.
        found = percentile_interval(np.arange(1, count + 1), share)
        low, high = int(found.low), int(found.high)
        inside = stats.binom.cdf(high - 1, count, share) - stats.binom.cdf(low - 1, count, share)
        narrower = stats.binom.cdf(high - 2, count, share), stats.binom.sf(low, count, share)
        assert inside >= 0.95
        assert max(narrower) < 0.975  # neither end could be nearer

    @pytest.mark.parametrize("measured", [[], [[1.0]], [float("nan")]])
    def test_of_no_measurements_is_refused(self, measured):
        with pytest.raises(ComparisonError, match="wanted finite numbers"):
            percentile_interval(measured, 0.5)


def test_arrays_that_do_not_fit_are_refused():
    truth, answers = answered(2, 30)
    with pytest.raises(ComparisonError, match=r"truth \(29,\)"):
        f1_sums(truth[:29], answers, 4, blocks_of(30))
    with pytest.raises(ComparisonError, match="confidence"):
        calibration_sums(np.ones((2, 30)), np.ones((2, 29), bool), blocks_of(30))
    sums = f1_sums(truth, answers, 4, blocks_of(30))
    with pytest.raises(ComparisonError, match="blocks differ"):
        jackknife(sums, macro_f1, sums[:, :20])
    with pytest.raises(ComparisonError, match="two blocks or more"):
        pigeonhole(sums[:, :1], macro_f1)
