"""Accuracy against cost: the rows as points, and the front of those that no cheaper row beats."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lab2.measure.metrics import OF_MACHINE
from lab2.report.answer import listed
from lab2.report.axes import Axis
from lab2.report.labels import Box
from lab2.results.shard import PLACE

NEAR = 2.0  # the axis of costs goes on for so many times the least and the most of them, to show their intervals


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One cost that rows have: a column of the summary."""

    name: str
    word: str  # its name as an option
    title: str
    unit: str
    symbol: str  # of the unit
    size: float  # of the unit, in that of the column


COSTS = (
    Cost(name="train_seconds", word="time", title="Training time", unit="seconds", symbol="s", size=1),
    Cost(name="parameters", word="parameters", title="Parameters", unit="millions", symbol="M", size=1e6),
    Cost(name="peak_memory_bytes", word="memory", title="Memory to train", unit="GiB", symbol="GiB", size=2**30),
    Cost(
        name="latency_p50_seconds",
        word="latency",
        title="Latency of one image",
        unit="milliseconds",
        symbol="ms",
        size=1e-3,
    ),
    Cost(name="flops_per_image", word="flops", title="FLOPs of one image", unit="millions", symbol="M", size=1e6),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CostPoint:
    """A row: mean accuracy, in [0, 1], and mean cost, in units of `Cost`, with their 95 % intervals."""

    job: str
    cost: float
    accuracy: float
    low: float  # of the accuracy's interval
    high: float
    cheap: float | None  # of the cost's, over seeds; None: it has none
    dear: float | None
    at_least: bool = False  # the cost is a lower bound: FLOPs of which some were not counted

    @property
    def text(self) -> str:
        """Both, for a person."""
        cost = "≥ " * self.at_least + amount(self.cost)
        if self.cheap is not None and self.dear is not None:
            cost += f" [{amount(self.cheap)}, {amount(self.dear)}]"
        return f"{self.job}: {self.accuracy:.2%} [{100 * self.low:.2f}, {100 * self.high:.2f}], {cost}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CostData:
    """What a chart of one cost shows."""

    cost: Cost
    points: tuple[CostPoint, ...]  # at least one
    # Those that no other one beats, the cheapest first; none where the costs were measured on different machines.
    front: tuple[CostPoint, ...]
    conclusion: str  # a sentence or two

    @property
    def ends(self) -> tuple[float, float]:
        """The least and the most on the axis of costs: of their intervals only what is near them."""
        costs = [point.cost for point in self.points]
        least = min(point.cost if point.cheap is None else point.cheap for point in self.points)
        most = max(point.cost if point.dear is None else point.dear for point in self.points)
        return max(least, min(costs) / NEAR), min(most, max(costs) * NEAR)


def cost_data(summary: pd.DataFrame, cost: Cost, *, log: bool) -> CostData | None:
    """The rows that have an accuracy and this cost, with `log` a positive one; None where no row has."""
    points = tuple(point for point in _points(summary, cost) if point.cost > 0 or not log)
    if not points:
        return None
    with_cost = {point.job for point in points}
    absent = [job for job in summary["job"] if job not in with_cost]
    front = () if _elsewhere(summary, cost, with_cost) else tuple(pareto([p for p in points if not p.at_least]))
    return CostData(cost=cost, points=points, front=front, conclusion=_conclusion(cost, points, front, absent))


def _elsewhere(summary: pd.DataFrame, cost: Cost, jobs: Collection[str]) -> bool:
    """Whether a cost that depends on the machine was measured on several."""
    rows = summary[summary["job"].isin(jobs)]
    return cost.name in OF_MACHINE and len(rows[list(PLACE)].drop_duplicates()) > 1


def pareto(points: Sequence[CostPoint]) -> list[CostPoint]:
    """The points that no other one beats in cost and accuracy, the cheapest first."""
    found: list[CostPoint] = []
    for point in sorted(points, key=lambda point: (point.cost, -point.accuracy, point.job)):
        if not found or point.accuracy > found[-1].accuracy:
            found.append(point)
    return found


def stairs(front: Sequence[CostPoint], x: Axis, y: Axis, end: float) -> list[tuple[float, float]]:
    """The corners of the front, up to the place `end` of x: what each cost buys at most; none without a front."""
    if not front:
        return []
    corners: list[tuple[float, float]] = []
    for point in front:
        at = x.at(point.cost)
        if corners:
            corners.append((at, corners[-1][1]))
        corners.append((at, y.at(point.accuracy)))
    return [*corners, (end, corners[-1][1])]


def bars(point: CostPoint, x: Axis, y: Axis) -> Iterator[Box]:
    """The intervals of accuracy and of cost, as lines: left, top, right, bottom."""
    at, height = x.at(point.cost), y.at(point.accuracy)
    yield at, y.at(point.high), at, y.at(point.low)
    if point.cheap is not None and point.dear is not None:
        yield x.at(point.cheap), height, x.at(point.dear), height


def is_partly_counted(row: Mapping[Any, Any] | pd.Series) -> bool:
    """Whether the FLOPs of a row of the summary are a lower bound, as some operations were not counted."""
    uncounted = row.get("flops_uncounted")
    return not pd.isna(uncounted) and bool(uncounted)


def amount(value: float) -> str:
    """A cost for a person: three digits, or whole from 100."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _points(summary: pd.DataFrame, cost: Cost) -> list[CostPoint]:
    known = summary[summary["accuracy"].notna() & summary[cost.name].notna()]
    found = []
    for row in known.to_dict("records"):
        ends = [row.get(f"{cost.name}_{end}") for end in ("low", "high")]  # counts have none
        cheap, dear = (None if end is None or pd.isna(end) else float(end) / cost.size for end in ends)
        found.append(
            CostPoint(
                job=str(row["job"]), cost=float(row[cost.name]) / cost.size, accuracy=float(row["accuracy"]),
                low=float(row["accuracy_low"]), high=float(row["accuracy_high"]), cheap=cheap, dear=dear,
                at_least=cost.name == "flops_per_image" and is_partly_counted(row),
            )
        )  # fmt: skip
    return found


def _conclusion(cost: Cost, points: Sequence[CostPoint], front: Sequence[CostPoint], absent: Sequence[str]) -> str:
    bounds = [point.job for point in points if point.at_least]
    words = f"{cost.title} ({cost.unit}) and test accuracy."
    if len(points) == 1:
        words += f" {points[0].text}."
    elif front:
        on = [f"{point.job} ({amount(point.cost)} {cost.symbol}, {point.accuracy:.2%})" for point in front]
        words += f" Nothing that costs as little is more accurate than {listed(on)}."
    elif len(bounds) < len(points):
        words += " Measured on different machines, so none is said to be cheaper than another."
    if bounds:
        words += f" A lower bound, and so not among them: {listed(bounds)}."
    return words + (f" Without a figure here: {listed(absent)}." if absent else "")
