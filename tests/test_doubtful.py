"""Doubtful labels: confident learning by hand."""

from __future__ import annotations

import numpy as np
import pytest

from lab2.compare.doubtful import doubtful
from lab2.errors import ComparisonError


def test_an_image_whose_other_class_reaches_its_threshold_is_doubtful():
    """Thresholds by hand: class 0 (0.9 + 0.8 + 0.1) / 3 = 0.6, class 1 (0.9 + 0.7) / 2 = 0.8."""
    labels = np.array([0, 0, 0, 1, 1])
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.1, 0.9], [0.3, 0.7]])
    found = doubtful(labels, probabilities)
    assert found.places.tolist() == [2]
    assert found.classes.tolist() == [1]
    assert (found.probabilities.tolist(), found.of_label.tolist()) == ([0.9], [0.1])


def test_a_wrong_answer_below_its_threshold_is_not_doubtful():
    """Class 1 has the threshold (0.9 + 0.9) / 2 = 0.9: an answer of 0.8 is wrong, and not confident."""
    labels = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.1, 0.9], [0.1, 0.9]])
    assert doubtful(labels, probabilities).places.tolist() == []


def test_of_two_confident_classes_the_likelier_counts():
    """Thresholds 0.4, 0.3 and 0.5: image 0 reaches those of class 0 (0.4) and of class 1 (0.5): it counts for 1."""
    labels = np.array([0, 1, 2])
    probabilities = np.array([[0.4, 0.5, 0.1], [0.2, 0.3, 0.5], [0.3, 0.2, 0.5]])
    found = doubtful(labels, probabilities)
    assert found.places.tolist() == [0, 1]
    assert found.classes.tolist() == [1, 2]


def test_where_the_label_is_as_likely_it_stands():
    """Thresholds 0.5, 0.5 and 1: image 1 reaches both of the first two, with 0.5 each."""
    labels = np.array([0, 1, 2])
    probabilities = np.array([[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    assert doubtful(labels, probabilities).places.tolist() == []


def test_the_likeliest_class_does_not_count_where_it_misses_its_threshold():
    """Image 0: class 1 is likeliest with 0.5, and misses 0.7; class 0 reaches 0.45 with 0.45. Its label stands."""
    labels = np.array([0, 1, 0])
    probabilities = np.array([[0.45, 0.5, 0.05], [0.3, 0.7, 0.0], [0.45, 0.25, 0.3]])
    assert doubtful(labels, probabilities).places.tolist() == []


def test_a_class_without_a_label_is_never_said():
    labels = np.array([0, 0, 1])
    probabilities = np.array([[0.0, 0.1, 0.9], [0.8, 0.1, 0.1], [0.1, 0.8, 0.1]])
    assert doubtful(labels, probabilities).places.tolist() == []


def test_equal_float32_probabilities_reach_their_mean():
    labels = np.repeat(np.arange(3), 7)
    probabilities = np.full((21, 3), 0.05, np.float32)
    probabilities[np.arange(21), labels] = 0.9
    probabilities[0] = [0.05, 0.9, 0.05]
    assert doubtful(labels, probabilities).places.tolist() == [0]


def test_planted_errors_are_found():
    """2,000 images of four classes, 40 of them with another label: right networks find them, and few others."""
    generator = np.random.default_rng(0)
    truth = generator.integers(4, size=2000)
    labels = truth.copy()
    planted = generator.choice(2000, 40, replace=False)
    labels[planted] = (truth[planted] + 1) % 4
    logits = generator.normal(size=(2000, 4)) + 6 * np.eye(4)[truth]
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    found = set(doubtful(labels, probabilities).places.tolist())
    assert len(found & set(planted.tolist())) >= 30
    assert len(found - set(planted.tolist())) <= 5


@pytest.mark.parametrize(
    ("labels", "shape"), [([0, 1], (3, 2)), ([0, 2], (2, 2)), ([-1, 0], (2, 2)), ([], (0, 2)), ([0], (1,))]
)
def test_what_does_not_fit_is_refused(labels: list[int], shape: tuple[int, ...]):
    with pytest.raises(ComparisonError, match="wanted"):
        doubtful(np.array(labels, np.int64), np.ones(shape))
