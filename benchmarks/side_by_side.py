"""Compares lab2 with the textbook way: both are measured in turn, several times, each in a process of its own."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.apart import measured_by
from benchmarks.machine import Machine
from benchmarks.worker import Measured
from lab2.launch.environment import ALLOCATION

TRAINING = 3  # FLOPs of a training step over those of the forward pass: the backward pass takes twice as many


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison: seconds to validation accuracies, or images per second where the textbook would take hours."""

    job: str
    wanted: float  # how many times as fast lab2 should be
    targets: tuple[float, ...] = ()  # validation accuracies, rising; a training ends at the last one
    limit_seconds: float = 600.0
    steps: dict[str, tuple[int, int]] | None = None  # by way: the number of timed steps, and of warm-up steps
    against: str = "textbook"  # or "plain": lab2's loop with a tutorial's network

    @property
    def name(self) -> str:
        """Its name for the option `--only`."""
        return self.job if self.against == "textbook" else f"{self.job}-{self.against}"

    @property
    def ways(self) -> tuple[str, str]:
        return self.against, "lab2"

    def describe(self, measured: Measured) -> str:
        """A line about one measurement, to be printed while the benchmark runs."""
        if not self.targets:
            return f"{measured.images / measured.seconds:.1f} images/s"
        return f"{measured.seconds:.1f} s to {measured.curve[-1][1]:.2%} of the validation images"


COMPARISONS = (
    Comparison("cnn", wanted=8, targets=(0.99,)),
    Comparison("vit", wanted=5, targets=(0.95, 0.97)),
    Comparison("vit", wanted=2, steps={"plain": (150, 15), "lab2": (150, 15)}, against="plain"),
    Comparison("alexnet", wanted=4, steps={"textbook": (12, 3), "lab2": (12, 3)}),
    Comparison("vgg16", wanted=4, steps={"textbook": (6, 2), "lab2": (6, 2)}),
    Comparison("faster_rcnn", wanted=10, steps={"textbook": (2, 1), "lab2": (20, 3)}),
)


def measure(comparison: Comparison, repeats: int) -> Iterator[Measured]:
    """Measure both ways in turn. The textbook's process does not get lab2's environment variables."""
    for seed in range(1, repeats + 1):
        for way in comparison.ways:
            environment = {name: value for name, value in os.environ.items() if name not in ALLOCATION}
            if way != "textbook":
                environment |= ALLOCATION
            if comparison.targets:
                goal = ["target", str(comparison.targets[-1]), str(comparison.limit_seconds)]
            else:
                assert comparison.steps is not None
                goal = ["rate", *map(str, comparison.steps[way])]
            result = measured_by("worker", way, comparison.job, str(seed), *goal, environment=environment)
            yield Measured(**result)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Median, lowest and highest value of several repetitions."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.1f} ({self.low:.1f} to {self.high:.1f})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The result of one comparison."""

    job: str
    measures: str
    against: str
    other: Spread
    lab2: Spread
    ratio: float | None  # of the medians: how many times as fast lab2 is; None: lab2 did not reach the target
    at_least: bool  # the other way was stopped before it reached the target
    wanted: float
    precision: str  # of lab2
    utilisation: float | None  # lab2's training FLOP/s over those of the machine's large matrix products


def rows(comparison: Comparison, measured: Sequence[Measured], machine: Machine) -> list[Row]:
    """The rows of a comparison: one for each target, or one for images per second."""
    return [_row(comparison, measured, machine, target) for target in comparison.targets or (None,)]


def _row(comparison: Comparison, measured: Sequence[Measured], machine: Machine, target: float | None) -> Row:
    spreads, reached = {}, {}
    for way in comparison.ways:
        of_way = [m for m in measured if m.way == way]
        values = [m.images / m.seconds if target is None else _seconds_to(target, m) for m in of_way]
        reached[way] = target is None or all(max(accuracy for _, accuracy in m.curve) >= target for m in of_way)
        spreads[way] = Spread(median=statistics.median(values), low=min(values), high=max(values))
    other, lab2 = spreads[comparison.against].median, spreads["lab2"].median
    by_lab2 = [m for m in measured if m.way == "lab2"]
    shares = [
        TRAINING * m.flops_per_image * m.images / m.seconds / machine.flops_per_second[m.precision]
        for m in by_lab2
        if m.flops_per_image  # a detector's FLOPs are not counted
    ]
    return Row(
        job=comparison.job,
        measures="images/s" if target is None else f"seconds to {target:.1%}",
        against=comparison.against,
        other=spreads[comparison.against],
        lab2=spreads["lab2"],
        ratio=(lab2 / other if target is None else other / lab2) if reached["lab2"] else None,
        at_least=not reached[comparison.against],
        wanted=comparison.wanted,
        precision=by_lab2[0].precision,
        utilisation=statistics.median(shares) if shares else None,
    )


def _seconds_to(target: float, measured: Measured) -> float:
    """Seconds of training until the end of the first epoch with that accuracy; of the whole training if none has it."""
    return next((seconds for seconds, accuracy in measured.curve if accuracy >= target), measured.seconds)


def markdown(results: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    lines = [
        "| job | what | against | theirs | lab2 | times as fast | wanted | of the peak |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for r in results:
        share = "–" if r.utilisation is None else f"{r.utilisation:.0%} ({r.precision})"
        times = "target missed" if r.ratio is None else f"{'at least ' * r.at_least}{r.ratio:.1f}"
        lines.append(
            f"| {r.job} | {r.measures} | {r.against} | {r.other} | {r.lab2} | {times} | {r.wanted:g} | {share} |"
        )
    return "\n".join(lines)
