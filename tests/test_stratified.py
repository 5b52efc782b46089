"""The split draws what scikit-learn would: the validation images of earlier runs stay what they were."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from lab2.data.stratified import stratified


@pytest.mark.parametrize("seed", range(40))
def test_each_draw_is_that_of_scikit_learn(seed: int):
    random = np.random.default_rng(seed)
    count, classes = int(random.integers(40, 900)), int(random.integers(2, 9))
    labels = random.choice(classes, count, p=random.dirichlet(np.full(classes, 3.0)))
    labels = np.concatenate([labels, np.arange(classes), np.arange(classes)])  # two of each, at least
    size = int(random.integers(classes, count))
    wanted = train_test_split(np.arange(len(labels)), test_size=size, random_state=seed, stratify=labels)
    rest, drawn = stratified(labels, size, seed)
    assert rest.tolist() == wanted[0].tolist()
    assert drawn.tolist() == wanted[1].tolist()


@pytest.mark.parametrize(
    ("labels", "size", "message"),
    [
        ([0, 0, 1], 1, "class 1 has only 1"),
        ([0, 0, 1, 1], 1, "1 on one side are fewer than the 2 classes"),
        ([0, 0, 1, 1], 3, "1 on one side are fewer than the 2 classes"),
        ([0, 0, 1, 1], 4, "wanted 1 to 3 of 4"),
        ([0, 0, 1, 1], 0, "wanted 1 to 3 of 4"),
    ],
)
def test_what_cannot_be_drawn_is_said(labels: list[int], size: int, message: str):
    with pytest.raises(ValueError, match=message):
        stratified(np.array(labels), size, 1)
