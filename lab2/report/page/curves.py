"""Curves with bands, a panel a job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from lab2.report.axes import Axis, accuracy_axis, apart, count_axis
from lab2.report.chapter import Curve
from lab2.report.curves import IMAGES_SEEN, MOST_POINTS, images_seen, ordered
from lab2.report.page.styles import Style
from lab2.report.page.svg import LETTER, chart, element, line, mark, path, text
from lab2.results.journal import CurvePoint

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
    x, x_title = _x_axis(most, x_title)
    y = apart(accuracy_axis([v for one in curves for v in (*one.low, *one.high)], _BOTTOM, _TOP, least), 14)
    parts = [path(_points(one.x, one.middle, x, y), "behind") for one in curves[:MOST_BEHIND]]
    behind = element("g", {"id": name}, Markup("").join(parts))
    background = Markup("").join((*_frame(x, y, x_title), element("use", {"href": f"#{name}"})))
    panels = tuple(_panel(one, styles[one.job], x, y, background) for one in curves[:MOST_PANELS])
    return Curves(panels=panels, behind=behind, left_out=max(0, len(curves) - MOST_PANELS))


def _x_axis(most: float, title: str) -> tuple[Axis, str]:
    x, title = count_axis(most, _LEFT, _RIGHT, title)
    return apart(x, 8, LETTER), title


def _frame(x: Axis, y: Axis, title: str) -> Iterator[Markup]:
    for place, words in y.ticks:
        yield line(_LEFT, place, _RIGHT, place, "grid")
        yield text(_LEFT - 5, place + 4, words, "tick end")
    for place, words in x.ticks:
        yield line(place, _BOTTOM, place, _BOTTOM + 3, "axis")
        yield text(place, _BOTTOM + 16, words, "tick middle")
    yield line(_LEFT, _BOTTOM, _RIGHT, _BOTTOM, "axis")
    yield text((_LEFT + _RIGHT) / 2, HEIGHT - 5, title, "label middle")
    yield text(2, _BOTTOM + 16, "%", "label")  # below the ticks, the topmost of which may stand at the top


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


def draw_trials(
    jobs: Mapping[str, Sequence[Sequence[CurvePoint]]], styles: Mapping[str, Style], least: float
) -> Curves:
    """A panel a job, with a line for each of its trials that has validated, as far as it has come.

    All panels have the same axes. `least`: half a validation image, as a share.
    """
    found = {job: [ordered(one) for one in several if one] for job, several in jobs.items()}
    drawn = {job: several for job, several in found.items() if several}
    points = [point for several in drawn.values() for one in several for point in one]
    if not points:
        return Curves(panels=(), behind=Markup(""), left_out=0)
    x, x_title = _x_axis(max(map(images_seen, points)), IMAGES_SEEN)
    y = apart(accuracy_axis([point.validation_accuracy for point in points], _BOTTOM, _TOP, least), 14)
    frame = Markup("").join(_frame(x, y, x_title))
    panels = [_trials_panel(job, drawn[job], styles[job], x, y, frame) for job in list(drawn)[:MOST_PANELS]]
    return Curves(panels=tuple(panels), behind=Markup(""), left_out=max(0, len(drawn) - MOST_PANELS))


def _trials_panel(
    job: str, histories: Sequence[Sequence[CurvePoint]], style: Style, x: Axis, y: Axis, frame: Markup
) -> Panel:
    parts = [frame]
    for one in histories:
        kept = np.unique(np.linspace(0, len(one) - 1, MOST_POINTS).round().astype(int))
        points = _points([images_seen(one[n]) for n in kept], [one[n].validation_accuracy for n in kept], x, y)
        if len(points) > 1:
            parts.append(path(points, f"curve {style.colour}"))
        parts.append(mark(style.shape, *points[-1], 4, f"mark {style.colour}"))
    newest = [one[-1].validation_accuracy for one in histories]
    several = f" to {max(newest):.2%} ({len(newest)} seeds)" if len(newest) > 1 else ""
    conclusion = f"{job}: validation accuracy {min(newest):.2%}{several} by now."
    return Panel(job=job, picture=chart(WIDTH, HEIGHT, conclusion, parts), conclusion=conclusion)
