"""A panel a row, all with the same axes: curves with bands, of trainings and of searches."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from lab2.report.axes import Axis, accuracy_axis, apart, count_axis
from lab2.report.chapter import Curve
from lab2.report.curves import curves_of
from lab2.report.figures.drawing import Drawing, Size
from lab2.report.figures.material import Material
from lab2.report.figures.sheet import LETTER, QUIET, SMALL, Room, Sheet
from lab2.report.labels import shortened
from lab2.report.page.chapters import room_below
from lab2.report.page.styles import Style

MOST_PANELS = 10
ABOVE, BELOW = 1.5, 1.2  # ems for the titles of the axes
MOST_LETTERS = 24  # of a panel's title
Panel = Callable[[Sheet, Room, str], None]  # the room of its frame, and the title of x


def grid(
    panels: Sequence[tuple[str, Panel]], wanted: float, x_title: str, y_title: str
) -> tuple[Callable[[Size], float], Callable[[Sheet], None]]:
    """The height and the drawing of panels under their names, each at least `wanted` ems high.

    The titles of the axes are those of all: that of y stands above, that of x below the lowest panels.
    """

    def height(size: Size) -> float:
        return ABOVE + math.ceil(len(panels) / _across(len(panels), size.wide)) * wanted + BELOW

    def draw(sheet: Sheet) -> None:
        em, columns = sheet.em, _across(len(panels), sheet.wide)
        rows = math.ceil(len(panels) / columns)
        wide, high = sheet.width / columns, (sheet.height - (ABOVE + BELOW) * em) / rows
        sheet.text(0.4 * em, 1.1 * em, y_title, colour=QUIET, size=SMALL)
        for number, (name, panel) in enumerate(panels):
            left, top = wide * (number % columns), ABOVE * em + high * (number // columns)
            sheet.text(left + 0.4 * em, top + 1.2 * em, shortened(name, MOST_LETTERS), bold=True)
            right = left + wide - 1.4 * em
            room = Room(left=left + 3.5 * em, top=top + 2.3 * em, right=right, bottom=top + high - 2.2 * em)
            panel(sheet, room, x_title if number + columns >= len(panels) else "")

    return height, draw


def _across(panels: int, wide: bool) -> int:
    """How many panels stand beside each other."""
    return min(panels, math.ceil(math.sqrt(1.6 * panels)) if wide else 2)


def curve_figures(found: Material) -> list[Drawing]:
    """The learning curves, one figure."""
    curves = sorted(curves_of(found.histories), key=lambda one: found.order.index(one.job))
    return _figures(
        "curves", "Learning curves: validation accuracy by training images", curves, found.styles, found.least,
        "training images", "validation accuracy, %",
    )  # fmt: skip


def tuning_figures(found: Material) -> list[Drawing]:
    """The curves that a study adds to the report: a figure for each of its chapters with curves."""
    drawings = []
    for chapter in found.report.chapters:
        curves = [one for one in chapter.curves if found.chosen(one.job)]
        drawings += _figures(
            f"{chapter.name}-curves", f"{chapter.title}: the best validation accuracy by {chapter.x}", curves,
            found.styles, max(found.least, room_below(curves)), chapter.x, "best validation accuracy, %",
        )  # fmt: skip
    return drawings


def _figures(
    name: str,
    title: str,
    curves: Sequence[Curve],
    styles: Mapping[str, Style],
    least: float,
    x_title: str,
    y_title: str,
) -> list[Drawing]:
    if not curves:
        return []
    shown = curves[:MOST_PANELS]
    words = " ".join(one.conclusion for one in shown)
    if len(curves) > len(shown):
        words += f" {len(curves) - len(shown)} more curves are not drawn."
    most = max(one.x[-1] for one in shown)
    _, x_title = count_axis(most, 0, 1, x_title)
    panels = [(one.job, _panel(one, shown, styles[one.job], least)) for one in shown]
    height, draw = grid(panels, 11.5, x_title, y_title)
    return [Drawing(name=name, title=title, conclusion=words, height=height, draw=draw)]


def _panel(one: Curve, all_of_them: Sequence[Curve], style: Style, least: float) -> Panel:
    """One curve before the others, which are grey."""

    def places(of: Curve, values: Sequence[float], x: Axis, y: Axis) -> list[tuple[float, float]]:
        return [(x.at(place), y.at(value)) for place, value in zip(of.x, values, strict=True)]

    def draw(sheet: Sheet, room: Room, x_title: str) -> None:
        em = sheet.em
        most = max(each.x[-1] for each in all_of_them)
        x = apart(count_axis(most, room.left, room.right, "")[0], 0.8 * em, LETTER * em)
        values = [value for each in all_of_them for value in (*each.low, *each.high)]
        y = apart(accuracy_axis(values, room.bottom, room.top, least), 1.3 * em)
        sheet.frame(room, x, y, x_title, "")
        for each in all_of_them:
            if each is not one and len(each.x) > 1:
                sheet.line(places(each, each.middle, x, y), QUIET, 0.12, opacity=0.4)
        points = places(one, one.middle, x, y)
        if len(points) > 1:
            if one.low != one.high:
                around = [*places(one, one.low, x, y), *reversed(places(one, one.high, x, y))]
                sheet.area(around, style.colour, 0.2)
            sheet.line(points, style.colour, 0.19)
        sheet.mark(*points[-1], style, 0.34)

    return draw
