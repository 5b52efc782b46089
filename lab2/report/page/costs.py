"""Accuracy against cost: a chart for each cost, in both scales, with the rows that nothing cheaper beats."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import pandas as pd
from markupsafe import Markup

from lab2.report.axes import Axis, accuracy_axis, apart, linear_axis, log_axis
from lab2.report.costs import COSTS, Cost, CostData, bars, cost_data, stairs
from lab2.report.labels import Label, labels, thick
from lab2.report.page.styles import Style
from lab2.report.page.svg import LETTER, chart, line, mark, path, text
from lab2.report.summary import least_error

WIDTH, HEIGHT = 420, 310
LEFT, RIGHT, TOP, BOTTOM = 46, 410, 18, 262
MOST_LABELS = 25  # of more rows only those on the front are named in the chart; a pointer shows the others


@dataclass(frozen=True, slots=True, kw_only=True)
class CostChart:
    """A chart and what it shows."""

    cost: Cost
    log: bool
    picture: Markup
    conclusion: str


def cost_charts(summary: pd.DataFrame, styles: Mapping[str, Style]) -> list[CostChart]:
    """Of each cost that at least one row has: logarithmic first, then linear."""
    found = []
    least = least_error(summary)
    for cost in COSTS:
        for log in (True, False):
            if (data := cost_data(summary, cost, log=log)) is not None:
                picture = _picture(data, styles, log, least)
                found.append(CostChart(cost=cost, log=log, picture=picture, conclusion=data.conclusion))
    return found


def _picture(data: CostData, styles: Mapping[str, Style], log: bool, least: float) -> Markup:
    points, cost, (first, last) = data.points, data.cost, data.ends
    x = log_axis(first, last, LEFT, RIGHT) if log else linear_axis(0, last, LEFT, RIGHT)
    y = accuracy_axis([v for p in points for v in (p.low, p.high)], BOTTOM, TOP, least)
    corners = stairs(data.front, x, y, float(RIGHT))
    intervals = [(point, bar) for point in points for bar in bars(point, x, y)]
    parts = [*frame(apart(x, 8, LETTER), apart(y, 15), f"{cost.title.lower()}, {cost.unit}")]
    parts += [path(corners, "front")] * bool(corners)
    parts += [line(*bar, f"bar {styles[point.job].colour}") for point, bar in intervals]
    for point in points:
        style = styles[point.job]
        parts.append(mark(style.shape, x.at(point.cost), y.at(point.accuracy), 5, f"mark {style.colour}", point.text))
    named = sorted(points if len(points) <= MOST_LABELS else data.front, key=lambda point: -point.accuracy)
    parts += [
        text(one.x, one.y, one.name, f"name {one.anchor}")
        for one in labels(
            [Label(name=point.job, x=x.at(point.cost), y=y.at(point.accuracy)) for point in named],
            [(x.at(point.cost), y.at(point.accuracy)) for point in points],
            [thick(bar) for _, bar in intervals] + [thick((*one, *other)) for one, other in pairwise(corners)],
            (LEFT, TOP - 8, WIDTH, BOTTOM),
        )
    ]
    return chart(WIDTH, HEIGHT, data.conclusion, parts)


def frame(x: Axis, y: Axis, title: str, unit: str = "%") -> Iterator[Markup]:
    """Lines at the ticks of y, whose `unit` stands above them; the ticks of x, and its title."""
    for place, words in y.ticks:
        yield line(LEFT, place, RIGHT, place, "grid")
        yield text(LEFT - 6, place + 4, words, "tick end")
    for place, words in x.ticks:
        yield line(place, BOTTOM, place, BOTTOM + 4, "axis")
        yield text(place, BOTTOM + 18, words, "tick middle")
    yield line(LEFT, BOTTOM, RIGHT, BOTTOM, "axis")
    yield text((LEFT + RIGHT) / 2, HEIGHT - 10, title, "label middle")
    yield text(4, TOP - 6, unit, "label")
