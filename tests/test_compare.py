"""Comparing architectures: the estimator against loops that are written as the formulas are, and cases by hand."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from lab2.compare.answer import Method, Question, on_this_test_set
from lab2.compare.comparison import compare
from lab2.compare.correctness import Correctness, Sample, gather, samples
from lab2.compare.variance import estimate
from lab2.errors import ComparisonError


def drawn(*shapes: tuple[int, int], accuracy: float = 0.8, luck: float = 0.05, seed: int = 0) -> list[np.ndarray]:
    """Correctness with images that all or one architecture finds hard, and seeds of all luck."""
    generator = np.random.default_rng(seed)
    hard = generator.normal(size=shapes[0][1])
    return [
        generator.normal(size=shape)
        + hard
        + generator.normal(size=shape[1])
        + luck * generator.normal(size=(shape[0], 1))
        < stats.norm.ppf(accuracy) * math.sqrt(3)
        for shape in shapes
    ]


def literal(a, b) -> tuple[float, float, float, float]:
    """V, df, the images' part and V_D / N, image by image and seed by seed as docs/statistics.md writes them."""
    n = len(a[0])
    seeds = residual = spread = 0.0
    by_image: list[list[float]] = [[], []]
    for k, y in enumerate((a, b)):
        count = len(y)
        of_seed = [sum(row) / n for row in y]
        of_image = [sum(y[s][i] for s in range(count)) / count for i in range(n)]
        mean = sum(of_seed) / count
        by_image[k] = of_image
        if count == 1:
            continue
        s2 = sum((one - mean) ** 2 for one in of_seed) / (count - 1)
        r = 0.0
        for s in range(count):
            for i in range(n):
                r += (y[s][i] - of_seed[s] - of_image[i] + mean) ** 2
        r /= (count - 1) * (n - 1)
        s2 = max(s2, r / n)
        seeds += s2 / count
        residual += r / count
        spread += (s2 / count) ** 2 / (count - 1)
    d = [one - other for one, other in zip(*by_image, strict=True)]
    v_d = sum((one - sum(d) / n) ** 2 for one in d) / (n - 1)
    images = max(0.0, v_d - residual) / n
    v = seeds + images
    return v, v**2 / (spread + images**2 / (n - 1)), images, v_d / n


@pytest.mark.parametrize("shapes", [((2, 60), (2, 60)), ((3, 80), (7, 80)), ((5, 50), (1, 50)), ((4, 40), (4, 40))])
@pytest.mark.parametrize("luck", [0.0, 0.6])
def test_the_variance_is_that_of_the_formulas(shapes, luck):
    a, b = drawn(*shapes, luck=luck, seed=shapes[0][0])
    split = estimate(samples(Correctness(("a", "b"), (a, b)))).between(0, 1)
    found = (split.variance, split.df, split.images, split.networks)
    assert found == pytest.approx(literal(a.tolist(), b.tolist()), rel=1e-10)


def test_the_variance_by_hand():
    # Accuracies 3/4, 1/4 and 1/2, 1/2: s2 = 1/8 and 0.
    a = np.array([[1, 1, 0, 1], [1, 0, 0, 0]], bool)  # images' means 1, 1/2, 0, 1/2; residuals -+1/4 everywhere
    b = np.array([[1, 1, 0, 0], [1, 1, 0, 0]], bool)  # residuals 0
    found = estimate(samples(Correctness(("a", "b"), (a, b))))
    # R_A = 8 (1/4)^2 / (1 * 3) = 1/6; D = 0, -1/2, 0, 1/2: V_D = (1/4 + 1/4) / 3 = 1/6
    one = found.components(0)
    assert (one.over_seeds, one.residual) == pytest.approx((1 / 8, 1 / 6))
    split = found.between(0, 1)
    pseudo_cases = 2 * (1 / 2) ** 2 / 4**2  # only two images tell the two apart
    assert split.seeds == pytest.approx(1 / 16)
    assert split.images == pytest.approx((1 / 6 - 1 / 12) / 4 + pseudo_cases)


def test_with_seeds_that_pair_the_differences_of_seeds_count():
    a, b = drawn((4, 60), (4, 60), luck=0.3)
    split = estimate(samples(Correctness(("a", "b"), (a, b))), paired=True).between(0, 1)
    w = a.astype(float) - b
    s, n = w.shape
    s2 = w.mean(1).var(ddof=1)
    r = ((w - w.mean(1, keepdims=True) - w.mean(0) + w.mean()) ** 2).sum() / ((s - 1) * (n - 1))
    images = max(0, w.mean(0).var(ddof=1) - r / s) / n
    assert split.variance == pytest.approx(max(s2, r / n) / s + images)
    assert split.one_seed == pytest.approx(max(s2, r / n))


def test_paired_seeds_cancel_what_they_share():
    generator = np.random.default_rng(0)
    subset = generator.normal(size=(6, 1))  # a luck that both have, as of one subset of training images
    a, b = (generator.normal(size=(6, 2000)) + subset < 1 + k / 20 for k in (0, 1))
    alone, paired = (compare({"a": a, "b": b}, paired_seeds=one).pair("b", "a") for one in (False, True))
    assert paired.answer.method is Method.PAIRED_SEEDS
    assert paired.split.variance < alone.split.variance / 5
    differences = b.mean(1) - a.mean(1)
    assert paired.test_set.p == pytest.approx(stats.ttest_1samp(differences, 0).pvalue)


class TestGroups:
    def test_of_one_image_each_change_nothing(self):
        a, b = drawn((3, 50), (3, 50))
        plain = compare({"a": a, "b": b}).pairs[0]
        grouped = compare({"a": a, "b": b}, groups=[f"writer {i}" for i in range(50)]).pairs[0]
        assert grouped.split.variance == pytest.approx(plain.split.variance)
        assert grouped.answer.p == pytest.approx(plain.answer.p)

    def test_of_equal_size_are_cases_with_their_mean(self):
        a, b = drawn((3, 60), (3, 60))
        groups = np.arange(60) % 12
        split = estimate(samples(gather({"a": a, "b": b}, groups))).between(0, 1)
        means = [[[row[groups == g].mean() for g in range(12)] for row in y.astype(float)] for y in (a, b)]
        assert split.variance == pytest.approx(literal(*means)[0])
        assert split.cases == 12

    def test_that_repeat_an_image_give_no_new_information(self):
        # Ten copies of each image, in groups or not at all.
        a, b = drawn((2, 100), (2, 100))
        one = compare({"a": a, "b": b}).pairs[0]
        ten = compare({"a": np.tile(a, 10), "b": np.tile(b, 10)}, groups=np.tile(np.arange(100), 10)).pairs[0]
        blind = compare({"a": np.tile(a, 10), "b": np.tile(b, 10)}).pairs[0]
        assert ten.split.variance == pytest.approx(one.split.variance)
        assert blind.split.images < one.split.images / 5

    def test_of_unequal_size_have_the_variance_of_a_ratio(self):
        # One network each; groups of 1, 2 and 3 images. The jackknife over groups is an independent way.
        generator = np.random.default_rng(3)
        groups = np.repeat(np.arange(300), 1 + np.arange(300) % 3)
        effect = 0.5 * generator.normal(size=300)[groups]
        a, b = (generator.normal(size=(1, len(groups))) < one + 1 for one in (effect, 0 * effect))
        answer = compare({"a": a, "b": b}, groups=groups).pairs[0].answer
        d = a[0].astype(float) - b[0]
        left_out = np.array([d[groups != g].mean() for g in range(300)])
        assert answer.variance == pytest.approx(299 / 300 * ((left_out - left_out.mean()) ** 2).sum(), rel=0.02)
        assert (answer.method, answer.df) == (Method.IMAGES, 299)


def test_all_three_questions_are_answered_and_named():
    a, b = drawn((6, 500), (4, 500), luck=0.2)
    pair = compare({"a": a, "b": b}).pair("a", "b")
    found = stats.ttest_ind(a.mean(1), b.mean(1), equal_var=False)
    assert pair.test_set.question is Question.TEST_SET
    assert (pair.test_set.p, pair.test_set.df) == pytest.approx((found.pvalue, found.df))
    interval = found.confidence_interval()
    assert (pair.test_set.low, pair.test_set.high) == pytest.approx((interval.low, interval.high))
    assert pair.networks.question is Question.NETWORKS
    assert pair.networks.p == pytest.approx(stats.ttest_rel(a.mean(0), b.mean(0)).pvalue)
    assert pair.answer.question is Question.RECIPES
    assert pair.answer.variance > max(pair.test_set.variance, pair.networks.variance)


def test_welch_has_no_answer_where_seeds_do_not_vary():
    same = np.tile(np.arange(20) < 15, (3, 1))
    first, second = samples(Correctness(("a", "b"), (same, same)))
    assert on_this_test_set(first, second, alpha=0.05) is None


@pytest.mark.parametrize(
    ("right", "groups", "wrong"),
    [
        ({"a": np.ones((1, 5), bool)}, None, r"1 architecture\(s\) to compare"),
        ({"a": np.ones((1, 5), bool), "b": np.ones((1, 6), bool)}, None, r"differ in number \(a 5, b 6\)"),
        ({"a": np.ones((1, 5), bool), "b": np.ones((1, 5))}, None, "b: correctness is float64"),
        ({"a": np.ones((1, 5), bool), "b": np.ones(5, bool)}, None, r"b: correctness is bool of shape \(5,\)"),
        ({"a": np.ones((0, 5), bool), "b": np.ones((1, 5), bool)}, None, "a: correctness"),
        ({"a": np.ones((1, 5), bool), "b": np.ones((1, 5), bool)}, [1, 2], r"groups have shape \(2,\)"),
        ({"a": np.ones((1, 5), bool), "b": np.ones((1, 5), bool)}, [1] * 5, "1 case"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(right, groups, wrong):
    with pytest.raises(ComparisonError, match=wrong):
        compare(right, groups=groups)


def test_settings_that_make_no_sense_are_refused():
    arrays = {"a": np.ones((2, 5), bool), "b": np.ones((3, 5), bool)}
    with pytest.raises(ComparisonError, match="margin 0"):
        compare(arrays, margin=0)
    with pytest.raises(ComparisonError, match=r"alpha 5"):
        compare(arrays, alpha=5)
    with pytest.raises(ComparisonError, match="paired seeds: 2, 3 seeds"):
        compare(arrays, paired_seeds=True)
    with pytest.raises(ComparisonError, match="wanted two different ones of a, b"):
        compare(arrays).pair("a", "c")


def test_a_sample_is_split_without_loss():
    a, b = drawn((3, 40), (2, 40))
    first: Sample = samples(Correctness(("a", "b"), (a, b)))[0]
    assert first.centred + first.by_seed[:, None] == pytest.approx(a.astype(float))
    assert first.mean == pytest.approx(a.mean())


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="LOUD: no /proc here: peak memory is not known")
def test_ten_architectures_of_thirty_seeds_take_a_gibibyte_at_most():
    """By the kernel's peak of the process alone: `ru_maxrss` begins with that of the process that started it."""
    code = """
import re
import numpy as np
from lab2.compare.comparison import compare
generator = np.random.default_rng(0)
hard = generator.beta(0.45, 0.05, 10_000)
arrays = {str(k): generator.random((30, 10_000)) < hard - k / 1000 for k in range(10)}
assert len(compare(arrays).pairs) == 45
print(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 2**20
