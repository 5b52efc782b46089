"""Accuracy against cost: a chart for each cost, in both scales, with the rows that nothing cheaper beats."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup

from lab2.report.answer import listed
from lab2.report.page.looks import Look
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
_LETTER, _LINE = 7.3, 14.0  # pixels of a label's letter and line, estimated
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
    low: float
    high: float


def cost_charts(summary: pd.DataFrame, looks: Mapping[str, Look]) -> list[CostChart]:
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
                picture = _picture(cost, shown, front, looks, log, least, conclusion)
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
    columns = known[["job", cost.name, "accuracy", "accuracy_low", "accuracy_high"]]
    return [
        _Point(job=str(job), cost=float(value) / cost.size, accuracy=float(mean), low=float(low), high=float(high))
        for job, value, mean, low, high in columns.itertuples(index=False)
    ]


def _conclusion(cost: Cost, front: Sequence[_Point], count: int, absent: Sequence[str]) -> str:
    on = [f"{point.job} ({_amount(point.cost)}, {point.accuracy:.2%})" for point in front]
    words = f"{cost.title} ({cost.unit}) and test accuracy. "
    if count > 1:
        words += f"Nothing that costs as little is more accurate than {listed(on)}."
    else:
        words += f"{on[0]}."
    return words + (f" Without a figure here: {listed(absent)}." if absent else "")


def _amount(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _picture(
    cost: Cost,
    points: Sequence[_Point],
    front: Sequence[_Point],
    looks: Mapping[str, Look],
    log: bool,
    least: float,
    conclusion: str,
) -> Markup:
    costs = [point.cost for point in points]
    x = log_axis(min(costs), max(costs), _LEFT, _RIGHT) if log else linear_axis(0, max(costs), _LEFT, _RIGHT)
    y = accuracy_axis([v for p in points for v in (p.low, p.high)], _BOTTOM, _TOP, least)
    parts = [*frame(apart(x, 38), apart(y, 15), f"{cost.title.lower()}, {cost.unit}"), _step(front, x, y)]
    for point in points:
        at = x.at(point.cost)
        parts.append(line(at, y.at(point.low), at, y.at(point.high), f"bar {looks[point.job].colour}"))
    for point in points:
        look = looks[point.job]
        title = (
            f"{point.job}: {point.accuracy:.2%} [{100 * point.low:.2f}, {100 * point.high:.2f}], {_amount(point.cost)}"
        )
        parts.append(mark(look.shape, x.at(point.cost), y.at(point.accuracy), 5, f"mark {look.colour}", title))
    parts += _labels(points if len(points) <= MOST_LABELS else front, points, x, y)
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


def _step(front: Sequence[_Point], x: Axis, y: Axis) -> Markup:
    """The front as stairs: what each cost buys at most."""
    corners: list[tuple[float, float]] = []
    for point in front:
        at = x.at(point.cost)
        if corners:
            corners.append((at, corners[-1][1]))
        corners.append((at, y.at(point.accuracy)))
    corners.append((float(_RIGHT), corners[-1][1]))
    return path(corners, "front")


def _labels(named: Sequence[_Point], points: Sequence[_Point], x: Axis, y: Axis) -> Iterator[Markup]:
    """A name beside each mark, where there is room for it."""
    marks = [(x.at(point.cost), y.at(point.accuracy)) for point in points]
    taken = [(left - 6, top - 6, left + 6, top + 6) for left, top in marks]
    for point in sorted(named, key=lambda point: -point.accuracy):
        at, height, wide = x.at(point.cost), y.at(point.accuracy), _LETTER * len(point.job)
        places = [
            *((at + 9, height + dy, "start") for dy in (4, -8, 16)),
            *((at - 9, height + dy, "end") for dy in (4, -8, 16)),
            (at, height - 11, "middle"),
            (at, height + 19, "middle"),
        ]
        for left, base, anchor in places:
            begin = left - {"start": 0.0, "end": wide, "middle": wide / 2}[anchor]
            box = (begin, base - _LINE + 3, begin + wide, base + 3)
            inside = begin >= _LEFT and begin + wide <= WIDTH and box[1] >= _TOP - 8 and box[3] <= _BOTTOM
            if inside and not any(_overlap(box, other) for other in taken if other[:2] != (at - 6, height - 6)):
                taken.append(box)
                yield text(left, base, point.job, f"name {anchor}")
                break


def _overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
