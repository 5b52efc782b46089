"""lab2 beside the textbook way, in one run: by turns, each in a process of its own, several times."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.apart import measured_by
from benchmarks.machine import Machine
from benchmarks.worker import Measured
from lab2.launch.environment import ALLOCATION

TRAINING = 3  # a training step computes the forward pass, and twice as much backward


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is compared: seconds to a validation accuracy, or images a second where the textbook takes hours."""

    job: str
    wanted: float  # times as fast
    target: float | None = None
    limit_seconds: float = 600.0
    steps: dict[str, tuple[int, int]] | None = None  # by way: steps that are timed, and those before them
    against: str = "textbook"  # or "plain": lab2's loop around a tutorial's network

    @property
    def measures(self) -> str:
        return f"seconds to {self.target:.1%}" if self.target else "images/s"

    @property
    def ways(self) -> tuple[str, str]:
        return self.against, "lab2"

    def value(self, one: Measured) -> float:
        return one.seconds if self.target else one.images / one.seconds

    def ratio(self, textbook: float, ours: float) -> float:
        return textbook / ours if self.target else ours / textbook


COMPARISONS = (
    Comparison("cnn", wanted=8, target=0.99),
    Comparison("vit", wanted=5, target=0.95),
    Comparison("vit", wanted=5, target=0.97),
    Comparison("vit", wanted=2, steps={"plain": (150, 15), "lab2": (150, 15)}, against="plain"),
    Comparison("alexnet", wanted=4, steps={"textbook": (12, 3), "lab2": (12, 3)}),
    Comparison("vgg16", wanted=4, steps={"textbook": (6, 2), "lab2": (6, 2)}),
    Comparison("faster_rcnn", wanted=10, steps={"textbook": (2, 1), "lab2": (20, 3)}),
)


def measure(comparison: Comparison, repeats: int) -> Iterator[Measured]:
    """Both ways by turns; the textbook's process has no environment of ours."""
    for seed in range(1, repeats + 1):
        for way in comparison.ways:
            environment = {name: value for name, value in os.environ.items() if name not in ALLOCATION}
            if way != "textbook":
                environment |= ALLOCATION
            if comparison.target:
                goal = ["target", str(comparison.target), str(comparison.limit_seconds)]
            else:
                assert comparison.steps is not None
                goal = ["rate", *map(str, comparison.steps[way])]
            found = measured_by("worker", way, comparison.job, str(seed), *goal, environment=environment)
            yield Measured(**found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Of several repetitions."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.1f} ({self.low:.1f} to {self.high:.1f})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One comparison's outcome."""

    job: str
    measures: str
    against: str
    other: Spread
    lab2: Spread
    ratio: float | None  # of the medians: so many times as fast; None: lab2 did not come to the target
    at_least: bool  # the other way was given up before it came to the target
    wanted: float
    precision: str  # of lab2
    utilisation: float | None  # training FLOPs a second of lab2 over those of large products in its precision


def row(comparison: Comparison, measured: Sequence[Measured], machine: Machine) -> Row:
    """Medians, spread, and the share of the machine's peak; a detector's FLOPs are not counted."""
    spreads = {}
    for way in comparison.ways:
        values = [comparison.value(one) for one in measured if one.way == way]
        spreads[way] = Spread(median=statistics.median(values), low=min(values), high=max(values))
    ours = [one for one in measured if one.way == "lab2"]
    there = {way: all(one.reached is not False for one in measured if one.way == way) for way in comparison.ways}
    ratio = comparison.ratio(spreads[comparison.against].median, spreads["lab2"].median)
    shares = [
        TRAINING * one.flops_per_image * one.images / one.seconds / machine.flops_per_second[one.precision]
        for one in ours
        if one.flops_per_image
    ]
    return Row(
        job=comparison.job,
        measures=comparison.measures,
        against=comparison.against,
        other=spreads[comparison.against],
        lab2=spreads["lab2"],
        ratio=ratio if there["lab2"] else None,
        at_least=not there[comparison.against],
        wanted=comparison.wanted,
        precision=ours[0].precision,
        utilisation=statistics.median(shares) if shares else None,
    )


def markdown(rows: Sequence[Row]) -> str:
    """The report's table."""
    lines = [
        "| job | what | against | theirs | lab2 | times as fast | wanted | of the peak |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        share = "–" if r.utilisation is None else f"{r.utilisation:.0%} ({r.precision})"
        times = "target missed" if r.ratio is None else f"{'at least ' * r.at_least}{r.ratio:.1f}"
        lines.append(
            f"| {r.job} | {r.measures} | {r.against} | {r.other} | {r.lab2} | {times} | {r.wanted:g} | {share} |"
        )
    return "\n".join(lines)
