"""Pairs: the matrix of differences, and all that a browser needs to compare any choice of rows, seeds and classes."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab2.compare.comparison import Comparison, Pair, Verdict
from lab2.report.finding import Finding
from lab2.report.page.answers import UNKNOWN, Answers
from lab2.report.page.pictures import Chosen, Sprite
from lab2.results.correctness import Correctness
from lab2.spec.plan import Plan

LEAST_P = 0.0001  # that is named
MOST_BYTES = 3_000_000  # of correctness, before base64 makes four of three


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A cell of the matrix: the row's accuracy minus the column's, in points, with the interval for all pairs."""

    other: str
    text: str
    interval: str
    verdict: str  # better, worse, equivalent or open
    about: str  # the same as a sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceRow:
    """A row of the matrix; None where it meets itself."""

    job: str
    cells: tuple[Difference | None, ...]


def matrix(judged: Comparison) -> list[DifferenceRow]:
    """All rows against all, the most accurate first."""
    found = {(pair.first, pair.second): pair for one in judged.pairs for pair in (one, one.reversed())}
    names = [row.name for row in judged.rows]
    return [
        DifferenceRow(
            job=name,
            cells=tuple(None if name == other else _difference(found[name, other], judged.margin) for other in names),
        )
        for name in names
    ]


def _difference(pair: Pair, margin: float) -> Difference:
    words = {
        Verdict.BETTER: f"shown to be better than {pair.second}",
        Verdict.WORSE: f"shown to be worse than {pair.second}",
        Verdict.EQUIVALENT: f"equal to {pair.second} within {signed(margin).removeprefix('+')} points",
        Verdict.OPEN: f"not shown to differ from {pair.second}",
    }[pair.verdict]
    return Difference(
        other=pair.second,
        text=signed(pair.difference),
        interval=interval(pair.low, pair.high),
        verdict=pair.verdict.value,
        about=f"{pair.first} is {words}, {p_text(pair.p_adjusted)}",
    )


def p_text(p: float) -> str:
    """A p; page.js writes it alike. The draws of the simultaneous test resolve none that is much smaller."""
    return f"p < {LEAST_P}" if p < LEAST_P else f"p = {p:#.2g}"


def signed(share: float) -> str:
    """A difference of shares in points, with two digits and a sign; page.js writes it alike."""
    text = f"{100 * share:+.2f}"
    return "0.00" if float(text) == 0 else text.replace("-", "−")


def interval(low: float, high: float) -> str:
    """Its interval."""
    return f"[{signed(low)}, {signed(high)}]"


def comparison_data(finding: Finding, plan: Plan, classes: Sequence[str]) -> dict[str, Any] | None:
    """What page.js compares with, the most accurate row first; None where nothing is compared, or it is too much."""
    read, judged = finding.read, finding.judged
    if judged is None or read.truth is None or too_much(read):
        return None
    seeds = {trial.name: trial.seed for trial in plan.trials}
    wide = int(read.truth.max()) > 255
    groups = None
    if read.groups is not None:
        codes = np.unique(read.groups, return_inverse=True)[1]
        groups = _base64(codes.astype("<u4"))
    return {
        "images": len(read.truth),
        "classes": list(classes),
        "labels": _base64(read.truth.astype("<u2" if wide else np.uint8)),
        "wide": wide,
        "groups": groups,
        "rows": [
            {
                "job": row.name,
                "fixed": row.name in finding.fixed,
                "seeds": [seeds[one.trial] for one in read.trials if one.arm == row.name],
                "right": [_base64(np.packbits(one, bitorder="little")) for one in read.right[row.name]],
            }
            for row in judged.rows
        ],
    }


def too_much(read: Correctness) -> bool:
    """Whether the answers are more than a page holds."""
    return sum(len(one) * math.ceil(len(one[0]) / 8) for one in read.right.values()) > MOST_BYTES


def picture_data(chosen: Chosen, sprite: Sprite, answers: Answers, read: Correctness) -> dict[str, Any]:
    """Which images there are pictures of, and by job what each of its seeds, as `comparison_data` has them, said."""
    said = {trial: row for one in answers.jobs.values() for trial, row in zip(one.trials, one.said, strict=True)}
    unknown = np.full(sprite.count, UNKNOWN)
    return {
        "places": list(chosen.all[: sprite.count]),
        "columns": sprite.columns,
        "side": sprite.side,
        "said": {
            job: [said.get(one.trial, unknown)[: sprite.count].tolist() for one in read.trials if one.arm == job]
            for job in read.right
        },
    }


def _base64(array: NDArray[Any]) -> str:
    return b64encode(array.tobytes()).decode()
