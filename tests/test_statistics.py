"""The fast part of the validation of `lab2/compare`: `python -m benchmarks --only statistics` is the whole.

A share of n repetitions has a Monte-Carlo error of sqrt(p (1 - p) / n); bounds leave three of them.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict

import numpy as np
import pytest

import benchmarks.statistics as benchmark
from benchmarks.statistics import (
    FAMILIES,
    GRID,
    Cell,
    Family,
    Validated,
    draw,
    judge,
    known_shift,
    markdown,
    validate,
    validate_family,
)
from lab2.compare.alone import alone
from lab2.results.statistics import over_seeds

REPETITIONS = 300
CELLS = (
    Cell(seeds=2, images=500, luck=3, accuracy=0.9),
    Cell(seeds=3, images=500, luck=0, accuracy=0.99),
    Cell(seeds=10, images=500, luck=1, accuracy=0.6),
)


def error(share: float, count: int = REPETITIONS) -> float:
    """Three Monte-Carlo errors."""
    return 3 * math.sqrt(share * (1 - share) / count)


@pytest.mark.slow
def test_lab2_is_wrong_in_five_percent_and_its_rivals_in_more():
    unstable, rare, many = (validate(cell, REPETITIONS) for cell in CELLS)
    for found in (unstable, rare, many):
        assert found.wrong["lab2"] <= 0.06 + error(0.06)
        assert found.coverage >= 0.94 - error(0.94)
        assert found.power["lab2"] > 0.4
        assert found.wrong["pooled"] > 0.05 + error(0.05)
    together = np.mean([found.wrong["lab2"] for found in (unstable, rare, many)])
    assert together <= 0.06 + error(0.06, 3 * REPETITIONS)
    # Each trap where it is: few seeds that vary, or many whose images are forgotten.
    assert unstable.wrong["nested"] > 0.05 + error(0.05)
    assert unstable.wrong["mcnemar"] > 0.05 + error(0.05)
    assert many.wrong["welch"] > 0.15


def test_the_interval_of_one_row_holds_its_accuracy_on_new_images_and_that_over_seeds_does_not():
    cell, generator = Cell(seeds=10, images=500, luck=0, accuracy=0.9), np.random.default_rng(1)
    held = over_seeds_alone = 0
    for _ in range(REPETITIONS):
        (right, _) = draw(cell, generator)
        low, high = alone(right) or (1.0, 0.0)
        held += low <= cell.accuracy <= high
        seeds = over_seeds(right.mean(1).tolist())
        over_seeds_alone += seeds.low <= cell.accuracy <= seeds.high
    assert held / REPETITIONS >= 0.94 - error(0.94)
    assert over_seeds_alone / REPETITIONS < 0.6


@pytest.mark.slow
def test_five_equal_architectures_are_seldom_told_apart():
    found = validate_family(FAMILIES[1], 60)
    assert found.wrong["maximum"] <= 0.05 + error(0.05, 60)
    assert found.ranks >= 0.95 - error(0.05, 60)
    assert found.wrong["alone"] > found.wrong["maximum"]


def test_the_grid_is_the_whole_of_what_is_promised():
    assert len(set(GRID)) == 4 * 3 * 3 * 3
    assert {cell.seeds for cell in GRID} == {2, 3, 5, 10}
    assert {cell.images for cell in GRID} == {500, 2000, 10_000}
    assert {cell.accuracy for cell in GRID} == {0.6, 0.9, 0.99}
    assert {cell.luck for cell in GRID} == {0, 1, 3}


def test_the_draws_have_the_variances_that_they_claim():
    cell = Cell(seeds=200, images=500, luck=3, accuracy=0.6)
    generator = np.random.default_rng(0)
    accuracies = [one.mean(1) for _ in range(30) for one in benchmark.draw(cell, generator)]
    assert np.mean(accuracies) == pytest.approx(0.6, abs=0.02)
    over_seeds = np.mean([one.var(ddof=1) for one in accuracies])
    assert over_seeds == pytest.approx((1 + cell.luck) * cell.spread / cell.images, rel=0.1)


def test_the_known_difference_is_there():
    cell = Cell(seeds=50, images=2_000, luck=1, accuracy=0.9)
    shift, truth = known_shift(cell)
    generator = np.random.default_rng(0)
    apart = [a.mean() - b.mean() for a, b in (benchmark.draw(cell, generator, shift=shift) for _ in range(100))]
    assert truth == pytest.approx(-3 * cell.error, rel=0.01)
    assert np.mean(apart) == pytest.approx(truth, abs=4 * np.std(apart) / 10)


def test_the_nested_bootstrap_in_closed_form_is_one_of_many_draws():
    generator = np.random.default_rng(0)
    a, b = benchmark.draw(Cell(seeds=3, images=200, luck=0, accuracy=0.6), generator)
    b[:, :25] = False  # else p is nowhere
    drawn = []
    for _ in range(3000):
        images = generator.integers(200, size=200)
        seeds = generator.integers(3, size=(2, 3, 200))
        drawn.append(a[seeds[0], images].mean() - b[seeds[1], images].mean())
    p = math.erfc(abs(a.mean() - b.mean()) / np.std(drawn) / math.sqrt(2))
    assert judge(a, b)[0]["nested"] == pytest.approx(p, rel=0.5)


def test_what_is_done_is_taken_from_the_result_and_shown(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "RESULT", tmp_path / "statistics.json")
    monkeypatch.setattr(benchmark, "REPETITIONS", 2)
    rows: list[Validated | Family] = [validate(CELLS[1], 2), validate_family(FAMILIES[0], 2)]
    (tmp_path / "statistics.json").write_text(json.dumps({"rows": [asdict(row) for row in rows]}))
    assert list(benchmark._done().values()) == rows
    assert "| 3 | 500 | 0 | 0.99 |" in markdown(rows)
    assert "five architectures" in benchmark.describe(rows[1])
    monkeypatch.setattr(benchmark, "_code", lambda: "other")
    assert benchmark._done() == {}
