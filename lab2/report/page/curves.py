"""Curves with bands, a panel a job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from lab2.report.axes import Axis, accuracy_axis, apart, linear_axis
from lab2.report.chapter import Curve
from lab2.report.page.styles import Style
from lab2.report.page.svg import chart, element, line, mark, path, text

WIDTH, HEIGHT = 240, 176
_LEFT, _RIGHT, _TOP, _BOTTOM = 42, 232, 22, 138
MOST_PANELS = 60
MOST_BEHIND = 12  # curves that are drawn grey behind each one


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One row's curve before the others', which are grey."""

    job: str
    picture: Markup
    conclusion: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """What the section shows."""

    panels: tuple[Panel, ...]
    behind: Markup  # the grey curves, once for all panels
    left_out: int  # curves for which there is no room


def draw_curves(
    curves: Sequence[Curve], styles: Mapping[str, Style], least: float, *, name: str, x_title: str
) -> Curves:
    """A panel a curve, all with the same axes. `least`: half a validation image, as a share.

    `name` is a word of which the page has no other element; `x_title` says what x is.
    """
    if not curves:
        return Curves(panels=(), behind=Markup(""), left_out=0)
    most = max(one.x[-1] for one in curves) if all(one.x for one in curves) else 1.0
    x = apart(linear_axis(0, most, _LEFT, _RIGHT, 3), 62)
    y = apart(accuracy_axis([v for one in curves for v in (*one.low, *one.high)], _BOTTOM, _TOP, least), 14)
    parts = [path(_points(one.x, one.middle, x, y), "behind") for one in curves[:MOST_BEHIND]]
    behind = element("g", {"id": name}, Markup("").join(parts))
    background = Markup("").join((*_frame(x, y, x_title), element("use", {"href": f"#{name}"})))
    panels = tuple(_panel(one, styles[one.job], x, y, background) for one in curves[:MOST_PANELS])
    return Curves(panels=panels, behind=behind, left_out=max(0, len(curves) - MOST_PANELS))


def _frame(x: Axis, y: Axis, title: str) -> Iterator[Markup]:
    for place, words in y.ticks:
        yield line(_LEFT, place, _RIGHT, place, "grid")
        yield text(_LEFT - 5, place + 4, words, "tick end")
    for place, words in x.ticks:
        yield line(place, _BOTTOM, place, _BOTTOM + 3, "axis")
        yield text(place, _BOTTOM + 16, words, "tick middle")
    yield line(_LEFT, _BOTTOM, _RIGHT, _BOTTOM, "axis")
    yield text((_LEFT + _RIGHT) / 2, HEIGHT - 5, title, "label middle")
    yield text(2, 10, "%", "label")


def _panel(one: Curve, style: Style, x: Axis, y: Axis, background: Markup) -> Panel:
    parts, points = [background], _points(one.x, one.middle, x, y)
    if len(points) > 1:
        if one.low != one.high:
            there = [*_points(one.x, one.low, x, y), *reversed(_points(one.x, one.high, x, y))]
            parts.append(path(there, f"band {style.colour}", closed=True))
        parts.append(path(points, f"curve {style.colour}"))
    parts.append(mark(style.shape, *points[-1], 4, f"mark {style.colour}"))
    return Panel(job=one.job, picture=chart(WIDTH, HEIGHT, one.conclusion, parts), conclusion=one.conclusion)


def _points(places: Sequence[float], values: Sequence[float], x: Axis, y: Axis) -> list[tuple[float, float]]:
    return [(x.at(place), y.at(value)) for place, value in zip(places, values, strict=True)]
