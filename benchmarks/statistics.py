"""Error rate, coverage and power of `lab2/compare` on simulated data with known differences, beside rival methods.

Per image a pair of probabilities (p, q) comes from a U-shaped distribution and is swapped between A and B with
probability 1/2: the true difference is 0, though the images differ in which of the two finds them hard. A seed moves
the logits of all images. For power and for the interval's coverage A's logits are lowered by a known amount.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, logit
from scipy.stats import beta, norm

from lab2 import compare
from lab2.compare.answer import mcnemar, on_new_images, on_this_test_set
from lab2.compare.comparison import Verdict
from lab2.compare.comparison import compare as compare_all
from lab2.compare.correctness import Correctness, samples
from lab2.compare.variance import estimate

REPETITIONS = 2_000
MORE = 8_000  # added to a cell that is nearer to a bound than chance (0.5 points) can tell, whatever they bring
RESULT = Path(__file__).parent / "results" / "statistics.json"
SHAPE = 0.5  # of the U: a beta distribution whose two parameters sum to this
SHARED = 0.5  # share of images that A and B find equally hard
POWER_AT = 3.0  # the true difference where power is measured, in standard errors
ALPHA = 0.05
METHODS = ("lab2", "welch", "pooled", "nested", "mcnemar")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What is drawn."""

    seeds: int
    images: int
    luck: float  # var_a, in units of var_e / N, to first order
    accuracy: float

    @property
    def spread(self) -> float:
        """E p (1 - p), which is var_e."""
        return self.accuracy * (1 - self.accuracy) * SHAPE / (SHAPE + 1)

    @property
    def deviation(self) -> float:
        """The standard deviation of a seed's effect on the logits."""
        return math.sqrt(self.luck / self.images / self.spread)

    @property
    def error(self) -> float:
        """The standard error of a difference, to first order."""
        of_images = 2 * (1 - SHARED) * self.accuracy * (1 - self.accuracy) / (SHAPE + 1)
        return math.sqrt((2 * (1 + self.luck) * self.spread / self.seeds + of_images) / self.images)


GRID = tuple(
    Cell(seeds=seeds, images=images, luck=luck, accuracy=accuracy)
    for images, seeds, luck, accuracy in product((500, 2_000, 10_000), (2, 3, 5, 10), (0, 1, 3), (0.6, 0.9, 0.99))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Validated:
    """The shares of the repetitions of one cell."""

    cell: Cell
    repetitions: int
    code: str  # digest of the package and of this file
    wrong: dict[str, float]  # method: a difference was claimed where there is none
    coverage: float  # of lab2's interval, where there is a difference
    power: dict[str, float]  # method: that difference was found


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Five equal architectures, compared all at once."""

    cell: Cell
    repetitions: int
    code: str
    wrong: dict[str, float]  # adjustment: some pair was called different
    ranks: float  # all intervals of ranks held what they must


def draw(cell: Cell, generator: np.random.Generator, count: int = 2, shift: float = 0.0) -> list[NDArray[np.bool_]]:
    """(S, N) correctness of `count` architectures; the logits of the first are moved by `shift`."""
    a, b = SHAPE * cell.accuracy, SHAPE * (1 - cell.accuracy)
    hard = generator.beta(a, b, cell.images)
    own = [
        np.where(generator.random(cell.images) < SHARED, hard, generator.beta(a, b, cell.images)) for _ in range(count)
    ]
    if count == 2:
        swapped = generator.random(cell.images) < 0.5
        own = [np.where(swapped, hard, own[1]), np.where(swapped, own[1], hard)]
    found = []
    for place, p in enumerate(own):
        effects = cell.deviation * generator.standard_normal(cell.seeds) + (shift if place == 0 else 0.0)
        clipped = np.clip(p, 1e-12, 1 - 1e-12)
        odds = (clipped / (1 - clipped)).astype(np.float32) * np.exp(effects, dtype=np.float32)[:, None]
        found.append(generator.random(odds.shape, dtype=np.float32) * (1 + odds) < odds)
    return found


@cache
def known_shift(cell: Cell) -> tuple[float, float]:
    """A shift of the logits, and the true difference that it makes: about `POWER_AT` standard errors."""
    a, b = SHAPE * cell.accuracy, SHAPE * (1 - cell.accuracy)
    p = beta.ppf((np.arange(20_000) + 0.5) / 20_000, a, b)
    logits = logit(np.clip(p, 1e-12, 1 - 1e-12))
    nodes, weights = np.polynomial.hermite_e.hermegauss(15)
    weights = weights / weights.sum()

    def mean(shift: float) -> float:
        return float(
            sum(w * expit(logits + shift + cell.deviation * z).mean() for z, w in zip(nodes, weights, strict=True))
        )

    level = mean(0.0)
    shift = float(brentq(lambda s: level - mean(s) - POWER_AT * cell.error, -20.0, 0.0, xtol=1e-4))
    return shift, mean(shift) - level


def judge(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> tuple[dict[str, float], tuple[float, float]]:
    """p by each method, and lab2's interval."""
    first, second = samples(Correctness(("a", "b"), (a, b)))
    split = estimate([first, second]).between(0, 1)
    ours = on_new_images(("a", "b"), first, second, split, paired=False, grouped=False, alpha=ALPHA)
    welch = on_this_test_set(first, second, alpha=ALPHA)
    seeds, images = a.shape
    by_image, difference = first.contributions - second.contributions, first.mean - second.mean
    rows = a.astype(np.int8) - b  # the same seed number, as if it paired
    # The bootstrap of images, and of seeds within each image anew, with endlessly many draws.
    within = sum(one.contributions * (1 - one.contributions) / seeds for one in (first, second))
    nested = (by_image.var() + float(np.mean(within))) / images
    only_a, only_b = int((a[0] & ~b[0]).sum()), int((b[0] & ~a[0]).sum())
    return {
        "lab2": ours.p,
        "welch": welch.p if welch else 1.0,
        "pooled": _normal(difference, float(rows.var()) / rows.size),
        "nested": _normal(difference, float(nested)),
        "mcnemar": mcnemar(only_a, only_b, images).p,
    }, (ours.low, ours.high)


def _normal(difference: float, variance: float) -> float:
    return 2 * float(norm.sf(abs(difference) / math.sqrt(variance))) if variance > 0 else 1.0


def validate(cell: Cell, repetitions: int = REPETITIONS) -> Validated:
    """One cell of the grid. Each cell has random numbers of its own: they do not depend on what ran before."""
    generator = np.random.default_rng([cell.seeds, cell.images, int(10 * cell.luck), int(100 * cell.accuracy)])
    shift, truth = known_shift(cell)
    wrong, power, covered = dict.fromkeys(METHODS, 0), dict.fromkeys(METHODS, 0), 0
    done = 0
    while done < repetitions:
        done += 1
        for method, p in judge(*draw(cell, generator))[0].items():
            wrong[method] += p < ALPHA
        found, (low, high) = judge(*draw(cell, generator, shift=shift))
        covered += low <= truth <= high
        for method, p in found.items():
            power[method] += p < ALPHA
        if done == REPETITIONS and not (wrong["lab2"] < 0.055 * done and covered > 0.945 * done):
            repetitions = REPETITIONS + MORE
    return Validated(
        cell=cell, repetitions=repetitions, code=_code(), coverage=covered / repetitions,
        wrong={method: count / repetitions for method, count in wrong.items()},
        power={method: count / repetitions for method, count in power.items()},
    )  # fmt: skip


def validate_family(cell: Cell, repetitions: int = REPETITIONS, count: int = 5) -> Family:
    """The error of all pairs together, where no two of `count` architectures differ."""
    generator = np.random.default_rng([count, cell.seeds, cell.images, int(10 * cell.luck), int(100 * cell.accuracy)])
    wrong, ranks = dict.fromkeys(("alone", "holm", "maximum"), 0), 0
    for _ in range(repetitions):
        found = compare_all({str(k): one for k, one in enumerate(draw(cell, generator, count))})
        wrong["alone"] += any(pair.answer.p < ALPHA for pair in found.pairs)
        wrong["holm"] += any(pair.p_holm < ALPHA for pair in found.pairs)
        wrong["maximum"] += any(pair.verdict in (Verdict.BETTER, Verdict.WORSE) for pair in found.pairs)
        ranks += all((row.best_rank, row.worst_rank) == (1, count) for row in found.rows)
    return Family(
        cell=cell, repetitions=repetitions, code=_code(), ranks=ranks / repetitions,
        wrong={method: one / repetitions for method, one in wrong.items()},
    )  # fmt: skip


FAMILIES = tuple(Cell(seeds=seeds, images=2_000, luck=1, accuracy=0.9) for seeds in (2, 3, 10))


def measure() -> Iterator[Validated | Family]:
    """The whole validation, cell by cell. Cells that this very code has computed before are taken from the result."""
    done = _done()
    for cell in GRID:
        yield done.get((Validated, cell)) or validate(cell)
    for cell in FAMILIES:
        yield done.get((Family, cell)) or validate_family(cell)


def _done() -> dict[tuple[type, Cell], Validated | Family]:
    if not RESULT.exists():
        return {}
    found: dict[tuple[type, Cell], Validated | Family] = {}
    for row in json.loads(RESULT.read_text())["rows"]:
        kind = Validated if "power" in row else Family
        one: Validated | Family = kind(**{**row, "cell": Cell(**row["cell"])})
        if one.code == _code() and one.repetitions >= REPETITIONS:
            found[kind, one.cell] = one
    return found


@cache
def _code() -> str:
    files = [*sorted(Path(*compare.__path__).glob("*.py")), Path(__file__)]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]


def describe(row: Validated | Family) -> str:
    """One line about a cell."""
    cell = row.cell
    name = f"{cell.seeds} seeds, {cell.images:,} images, luck {cell.luck:g}, accuracy {cell.accuracy:g}"
    shares = ", ".join(f"{method} {share:.1%}" for method, share in row.wrong.items())
    if isinstance(row, Family):
        return f"{name}, five architectures: wrong {shares}; ranks {row.ranks:.1%}"
    return f"{name}: wrong {shares}; coverage {row.coverage:.1%}; power {row.power['lab2']:.1%}"


def markdown(rows: list[Validated | Family]) -> str:
    """The worst figures, then all cells."""
    cells = [row for row in rows if isinstance(row, Validated)]
    families = [row for row in rows if isinstance(row, Family)]
    columns = ["seeds", "images", "luck", "accuracy", *(f"wrong: {one}" for one in METHODS), "coverage"]
    columns += [f"power: {one}" for one in METHODS]
    lines = [
        f"{len(cells)} of {len(GRID)} cells, {REPETITIONS:,} repetitions each, {REPETITIONS + MORE:,} where these left",
        "a cell within half a point of its bound (6.0 % wrong, 94.0 % coverage). The nominal error is 5 %.",
        f"lab2's largest share of wrong claims is {max(row.wrong['lab2'] for row in cells):.1%}, the least coverage of",
        f"its 95 % interval {min(row.coverage for row in cells):.1%}.",
        "",
        "*Wrong*: a difference was claimed where there is none. *Power*: a difference of three standard errors was",
        "found; a method that is often wrong has no use for it. *Luck*: var_a in units of var_e / N.",
        "",
        *_table(columns, map(_shares, cells)),
    ]
    if families:
        columns = ["seeds", "images", "wrong: alone", "wrong: Holm", "wrong: maximum", "ranks hold"]
        lines += [
            "",
            "Five equal architectures: some pair is called different, each pair by itself, by Holm, by the maximum of",
            "a multivariate t; the intervals of ranks hold all ranks.",
            "",
            *_table(columns, map(_family_shares, families)),
        ]
    return "\n".join(lines)


def _table(columns: list[str], rows: Iterable[list[str]]) -> list[str]:
    return [f"| {' | '.join(one)} |" for one in (columns, ["---"] * len(columns), *rows)]


def _shares(row: Validated) -> list[str]:
    cell = row.cell
    shares = [*row.wrong.values(), row.coverage, *row.power.values()]
    return [
        f"{cell.seeds}",
        f"{cell.images:,}",
        f"{cell.luck:g}",
        f"{cell.accuracy:g}",
        *(f"{one:.1%}" for one in shares),
    ]


def _family_shares(row: Family) -> list[str]:
    shares = [*row.wrong.values(), row.ranks]
    return [f"{row.cell.seeds}", f"{row.cell.images:,}", *(f"{one:.1%}" for one in shares)]
