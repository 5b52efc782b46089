"""Accuracy against cost: a chart for each cost, in both scales, with the rows that nothing cheaper beats."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pandas as pd
from markupsafe import Markup

from lab2.report.answer import listed
from lab2.report.page.labels import Box, Label, labels
from lab2.report.page.styles import Style
from lab2.report.page.svg import (
    Axis,
    accuracy_axis,
    apart,
    chart,
    line,
    linear_axis,
    log_axis,
    mark,
    path,
    text,
)

WIDTH, HEIGHT = 420, 310
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 410, 16, 262
NEAR = 2.0  # the axis of costs goes on for so many times the least and the most of them, to show their intervals
MOST_LABELS = 25  # of more rows only those on the front are named in the chart; a pointer shows the others


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One cost that rows have: a column of the summary."""

    name: str
    title: str
    unit: str
    size: float  # of the unit, in that of the column


COSTS = (
    Cost(name="train_seconds", title="Training time", unit="seconds", size=1),
    Cost(name="parameters", title="Parameters", unit="millions", size=1e6),
    Cost(name="peak_memory_bytes", title="Memory to train", unit="GiB", size=2**30),
    Cost(name="latency_p50_seconds", title="Latency of one image", unit="milliseconds", size=1e-3),
    Cost(name="flops_per_image", title="FLOPs of one image", unit="millions", size=1e6),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CostChart:
    """A chart and what it shows."""

    cost: Cost
    log: bool
    picture: Markup
    conclusion: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Point:
    job: str
    cost: float
    accuracy: float
    low: float  # of the accuracy's 95 % interval
    high: float
    cheap: float | None  # of the cost's, over seeds; None: it has none
    dear: float | None


def cost_charts(summary: pd.DataFrame, styles: Mapping[str, Style]) -> list[CostChart]:
    """Of each cost that at least one row has: logarithmic first, then linear."""
    found = []
    images = summary["test_images"].dropna()
    least = 0.5 / max(1, int(images.max()) if len(images) else 1)
    for cost in COSTS:
        points = _points(summary, cost)
        for log in (True, False):
            shown = [point for point in points if point.cost > 0 or not log]
            if shown:
                absent = [job for job in summary["job"] if job not in {point.job for point in shown}]
                front = pareto(shown)
                conclusion = _conclusion(cost, front, len(shown), absent)
                picture = _picture(cost, shown, front, styles, log, least, conclusion)
                found.append(CostChart(cost=cost, log=log, picture=picture, conclusion=conclusion))
    return found


def pareto(points: Sequence[_Point]) -> list[_Point]:
    """The points that no other one beats in cost and accuracy, the cheapest first."""
    found: list[_Point] = []
    for point in sorted(points, key=lambda point: (point.cost, -point.accuracy, point.job)):
        if not found or point.accuracy > found[-1].accuracy:
            found.append(point)
    return found


def _points(summary: pd.DataFrame, cost: Cost) -> list[_Point]:
    known = summary[summary["accuracy"].notna() & summary[cost.name].notna()]
    found = []
    for row in known.to_dict("records"):
        ends = [row.get(f"{cost.name}_{end}") for end in ("low", "high")]  # counts have none
        cheap, dear = (None if end is None or pd.isna(end) else float(end) / cost.size for end in ends)
        found.append(
            _Point(
                job=str(row["job"]), cost=float(row[cost.name]) / cost.size, accuracy=float(row["accuracy"]),
                low=float(row["accuracy_low"]), high=float(row["accuracy_high"]), cheap=cheap, dear=dear,
            )
        )  # fmt: skip
    return found


def _conclusion(cost: Cost, front: Sequence[_Point], count: int, absent: Sequence[str]) -> str:
    on = [f"{point.job} ({_amount(point.cost)}, {point.accuracy:.2%})" for point in front]
    words = f"{cost.title} ({cost.unit}) and test accuracy. "
    if count > 1:
        words += f"Nothing that costs as little is more accurate than {listed(on)}."
    else:
        words += f"{on[0]}."
    return words + (f" Without a figure here: {listed(absent)}." if absent else "")


def _cost(point: _Point) -> str:
    if point.cheap is None or point.dear is None:
        return _amount(point.cost)
    return f"{_amount(point.cost)} [{_amount(point.cheap)}, {_amount(point.dear)}]"


def _amount(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _picture(
    cost: Cost,
    points: Sequence[_Point],
    front: Sequence[_Point],
    styles: Mapping[str, Style],
    log: bool,
    least: float,
    conclusion: str,
) -> Markup:
    first, last = _ends(points)
    x = log_axis(first, last, _LEFT, _RIGHT) if log else linear_axis(0, last, _LEFT, _RIGHT)
    y = accuracy_axis([v for p in points for v in (p.low, p.high)], _BOTTOM, _TOP, least)
    stairs, bars = _stairs(front, x, y), [(point, bar) for point in points for bar in _bars(point, x, y)]
    parts = [*frame(apart(x, 38), apart(y, 15), f"{cost.title.lower()}, {cost.unit}"), path(stairs, "front")]
    parts += [line(*bar, f"bar {styles[point.job].colour}") for point, bar in bars]
    for point in points:
        style = styles[point.job]
        title = f"{point.job}: {point.accuracy:.2%} [{100 * point.low:.2f}, {100 * point.high:.2f}], {_cost(point)}"
        parts.append(mark(style.shape, x.at(point.cost), y.at(point.accuracy), 5, f"mark {style.colour}", title))
    named = sorted(points if len(points) <= MOST_LABELS else front, key=lambda point: -point.accuracy)
    lines = [_thick(bar) for _, bar in bars] + [_thick((*one, *other)) for one, other in pairwise(stairs)]
    parts += labels(
        [Label(name=point.job, x=x.at(point.cost), y=y.at(point.accuracy)) for point in named],
        [(x.at(point.cost), y.at(point.accuracy)) for point in points],
        lines,
        (_LEFT, _TOP - 8, WIDTH, _BOTTOM),
    )
    return chart(WIDTH, HEIGHT, conclusion, parts)


def frame(x: Axis, y: Axis, title: str) -> Iterator[Markup]:
    """Lines at the ticks of y, the ticks of x, and the title of x."""
    for place, words in y.ticks:
        yield line(_LEFT, place, _RIGHT, place, "grid")
        yield text(_LEFT - 6, place + 4, words, "tick end")
    for place, words in x.ticks:
        yield line(place, _BOTTOM, place, _BOTTOM + 4, "axis")
        yield text(place, _BOTTOM + 18, words, "tick middle")
    yield line(_LEFT, _BOTTOM, _RIGHT, _BOTTOM, "axis")
    yield text((_LEFT + _RIGHT) / 2, HEIGHT - 10, title, "label middle")
    yield text(4, 12, "%", "label")


def _stairs(front: Sequence[_Point], x: Axis, y: Axis) -> list[tuple[float, float]]:
    """The corners of the front: what each cost buys at most."""
    corners: list[tuple[float, float]] = []
    for point in front:
        at = x.at(point.cost)
        if corners:
            corners.append((at, corners[-1][1]))
        corners.append((at, y.at(point.accuracy)))
    return [*corners, (float(_RIGHT), corners[-1][1])]


def _bars(point: _Point, x: Axis, y: Axis) -> Iterator[Box]:
    """The intervals of accuracy and of cost, as lines: left, top, right, bottom."""
    at, height = x.at(point.cost), y.at(point.accuracy)
    yield at, y.at(point.high), at, y.at(point.low)
    if point.cheap is not None and point.dear is not None:
        yield x.at(point.cheap), height, x.at(point.dear), height


def _ends(points: Sequence[_Point]) -> tuple[float, float]:
    """The least and the most on the axis of costs: of their intervals only what is near them."""
    costs = [point.cost for point in points]
    least = min(point.cost if point.cheap is None else point.cheap for point in points)
    most = max(point.cost if point.dear is None else point.dear for point in points)
    return max(least, min(costs) / NEAR), min(most, max(costs) * NEAR)


def _thick(one: Box) -> Box:
    """The room that a line takes; its ends in any order."""
    left, right, top, bottom = min(one[0], one[2]), max(one[0], one[2]), min(one[1], one[3]), max(one[1], one[3])
    return left - 2, top - 2, right + 2, bottom + 2
