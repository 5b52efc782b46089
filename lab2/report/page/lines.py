"""The charts of a study: lines of several things with their bands, or points with their intervals and names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from lab2.report.axes import Axis, accuracy_axis, apart, linear_axis, log_axis
from lab2.report.chapter import Chart, Line
from lab2.report.labels import Label, labels, thick
from lab2.report.page.costs import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, frame
from lab2.report.page.styles import Style
from lab2.report.page.svg import chart, line, mark, path, text

PER_CENT = "%"
Place = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A chart and what it shows."""

    title: str
    picture: Markup
    conclusion: str


def draw_charts(charts: Sequence[Chart], styles: Mapping[str, Style], least: float) -> tuple[Drawn, ...]:
    """In the same order; those of one unit have one axis of y, so that they can be compared.

    `least`: an error that nobody has, as half a test image, as a share.
    """
    lines: dict[str, list[Line]] = {}
    for one in charts:
        lines.setdefault(one.y, []).extend(one.lines)
    y = {unit: apart(_heights(unit, those, least), 15) for unit, those in lines.items()}
    return tuple(
        Drawn(title=one.title, picture=_picture(one, styles, y[one.y]), conclusion=one.conclusion) for one in charts
    )


def _heights(unit: str, lines: Sequence[Line], least: float) -> Axis:
    values = [value for one in lines for value in (*one.low, *one.middle, *one.high)]
    if unit == PER_CENT:
        return accuracy_axis(values, BOTTOM, TOP, least)
    positive = [value for value in values if value > 0]
    return log_axis(min(positive, default=1.0), max(positive, default=1.0), BOTTOM, TOP)


def _picture(one: Chart, styles: Mapping[str, Style], y: Axis) -> Markup:
    places = [place for each in one.lines for place in each.x]
    if one.scale == "log":
        x = log_axis(min(places), max(places), LEFT, RIGHT)
    else:
        x = linear_axis(min(places), max(places), LEFT, RIGHT)
    parts = [*frame(apart(x, 38), y, one.x, one.y)]
    drawn = [(each, _points(each, each.middle, x, y)) for each in one.lines]
    for each, points in drawn:
        parts += _line(each, points, styles[each.job], x, y)
    alone = [(each, points[0]) for each, points in drawn if len(points) == 1]
    parts += [
        text(label.x, label.y, label.name, f"name {label.anchor}")
        for label in labels(
            [Label(name=each.name, x=place[0], y=place[1]) for each, place in alone],
            [point for _, points in drawn for point in points],
            [thick((place[0], y.at(each.low[0]), place[0], y.at(each.high[0]))) for each, place in alone],
            (LEFT, TOP - 8, WIDTH, BOTTOM),
        )
    ]
    return chart(WIDTH, HEIGHT, one.conclusion, parts)


def _line(one: Line, points: Sequence[Place], style: Style, x: Axis, y: Axis) -> Iterator[Markup]:
    """Its band or bar, then itself, then its marks."""
    low, high = (_points(one, ends, x, y) for ends in (one.low, one.high))
    if len(points) > 1:
        if one.low != one.high:
            yield path([*low, *reversed(high)], f"band {style.colour}", closed=True)
        yield path(points, f"curve {style.colour}")
    elif one.low != one.high:
        yield line(*low[0], *high[0], f"bar {style.colour}")
    for place, value, shown in zip(one.x, one.middle, points, strict=True):
        number = f"{value:.2%}" if 0 <= value <= 1 else f"{value:.4g}"
        yield mark(style.shape, *shown, 4, f"mark {style.colour}", f"{one.name}, {place:,.6g}: {number}")


def _points(one: Line, values: Sequence[float], x: Axis, y: Axis) -> list[Place]:
    return [(x.at(place), y.at(value)) for place, value in zip(one.x, values, strict=True)]
