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
    """What is compared: seconds to validation accuracies, or images a second where the textbook takes hours."""

    job: str
    wanted: float  # times as fast
    targets: tuple[float, ...] = ()  # rising; a training ends at the last, and has passed the others
    limit_seconds: float = 600.0
    steps: dict[str, tuple[int, int]] | None = None  # by way: steps that are timed, and those before them
    against: str = "textbook"  # or "plain": lab2's loop around a tutorial's network

    @property
    def name(self) -> str:
        """By which `--only` knows it."""
        return self.job if self.against == "textbook" else f"{self.job}-{self.against}"

    @property
    def ways(self) -> tuple[str, str]:
        return self.against, "lab2"

    def describe(self, one: Measured) -> str:
        """A line for whoever waits."""
        if not self.targets:
            return f"{one.images / one.seconds:.1f} images/s"
        return f"{one.seconds:.1f} s to {one.curve[-1][1]:.2%} of the validation images"


COMPARISONS = (
    Comparison("cnn", wanted=8, targets=(0.99,)),
    Comparison("vit", wanted=5, targets=(0.95, 0.97)),
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
            if comparison.targets:
                goal = ["target", str(comparison.targets[-1]), str(comparison.limit_seconds)]
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
    utilisation: float | None  # training FLOPs a second of all that lab2 trained over those of large products


def rows(comparison: Comparison, measured: Sequence[Measured], machine: Machine) -> list[Row]:
    """One a target, or one of images a second: medians, spread, and the share of the machine's peak."""
    return [_row(comparison, measured, machine, target) for target in comparison.targets or (None,)]


def _row(comparison: Comparison, measured: Sequence[Measured], machine: Machine, target: float | None) -> Row:
    spreads, there = {}, {}
    for way in comparison.ways:
        mine = [one for one in measured if one.way == way]
        if target is None:
            values = [one.images / one.seconds for one in mine]
        else:
            values = [_seconds_to(target, one) for one in mine]
        there[way] = target is None or all(max(accuracy for _, accuracy in one.curve) >= target for one in mine)
        spreads[way] = Spread(median=statistics.median(values), low=min(values), high=max(values))
    other, lab2 = spreads[comparison.against].median, spreads["lab2"].median
    ours = [one for one in measured if one.way == "lab2"]
    shares = [
        TRAINING * one.flops_per_image * one.images / one.seconds / machine.flops_per_second[one.precision]
        for one in ours
        if one.flops_per_image  # a detector's are not counted
    ]
    return Row(
        job=comparison.job,
        measures="images/s" if target is None else f"seconds to {target:.1%}",
        against=comparison.against,
        other=spreads[comparison.against],
        lab2=spreads["lab2"],
        ratio=(lab2 / other if target is None else other / lab2) if there["lab2"] else None,
        at_least=not there[comparison.against],
        wanted=comparison.wanted,
        precision=ours[0].precision,
        utilisation=statistics.median(shares) if shares else None,
    )


def _seconds_to(target: float, one: Measured) -> float:
    """Of training, to the first epoch's end with that accuracy; of the whole training, where none has it."""
    return next((seconds for seconds, accuracy in one.curve if accuracy >= target), one.seconds)


def markdown(found: Sequence[Row]) -> str:
    """The report's table."""
    lines = [
        "| job | what | against | theirs | lab2 | times as fast | wanted | of the peak |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for r in found:
        share = "–" if r.utilisation is None else f"{r.utilisation:.0%} ({r.precision})"
        times = "target missed" if r.ratio is None else f"{'at least ' * r.at_least}{r.ratio:.1f}"
        lines.append(
            f"| {r.job} | {r.measures} | {r.against} | {r.other} | {r.lab2} | {times} | {r.wanted:g} | {share} |"
        )
    return "\n".join(lines)
