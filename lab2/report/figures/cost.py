"""Accuracy against a cost, with the Pareto front and the intervals of both."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

from lab2.report.axes import accuracy_axis, apart, linear_axis, log_axis
from lab2.report.costs import COSTS, CostData, bars, cost_data, stairs
from lab2.report.figures.drawing import Drawing
from lab2.report.figures.material import Material
from lab2.report.figures.sheet import ACCENT, LETTER, Room, Sheet
from lab2.report.labels import Label, labels, thick

HEIGHT = 25.0  # ems
PAGE_EM = 13.0  # pixels: the size of a name in the page, by which `labels.py` measures
MOST_LABELS = 25  # of more rows only those on the front are named


def cost_figures(found: Material, words: tuple[str, ...], *, log: bool) -> list[Drawing]:
    """A figure for each cost among `words` that some chosen row has."""
    drawings = []
    for cost in COSTS:
        if cost.word in words and found.one_dataset and (data := cost_data(found.summary, cost, log=log)) is not None:
            drawings.append(
                Drawing(
                    name=f"cost-{cost.word}" + "-linear" * (not log),
                    title=f"Test accuracy and {cost.title[0].lower()}{cost.title[1:]}",
                    conclusion=data.conclusion,
                    height=lambda _: HEIGHT,
                    draw=partial(_draw, data=data, found=found, log=log),
                )
            )
    return drawings


def _draw(sheet: Sheet, *, data: CostData, found: Material, log: bool) -> None:
    em, points, (first, last) = sheet.em, data.points, data.ends
    room = Room(left=3.6 * em, top=2.1 * em, right=sheet.width - 0.9 * em, bottom=sheet.height - 3.6 * em)
    x = log_axis(first, last, room.left, room.right) if log else linear_axis(0, last, room.left, room.right)
    y = accuracy_axis([v for p in points for v in (p.low, p.high)], room.bottom, room.top, found.least)
    unit = f"{data.cost.title.lower().replace('flops', 'FLOPs')}, {data.cost.unit}"
    sheet.frame(room, apart(x, 0.8 * em, LETTER * em), apart(y, 1.3 * em), unit, "test accuracy, %")
    corners = stairs(data.front, x, y, room.right)
    if corners:
        sheet.line(corners, ACCENT, 0.14, dashes=(0.6, 2.4))
    intervals = [(point, bar) for point in points for bar in bars(point, x, y)]
    for point, (left, top, right, bottom) in intervals:
        sheet.line([(left, top), (right, bottom)], found.styles[point.job].colour, 0.17)
    for point in points:
        sheet.mark(x.at(point.cost), y.at(point.accuracy), found.styles[point.job])
    named = sorted(points if len(points) <= MOST_LABELS else data.front, key=lambda point: -point.accuracy)
    around = 0.15 * em
    for one in labels(
        [Label(name=point.job, x=x.at(point.cost), y=y.at(point.accuracy)) for point in named],
        [(x.at(point.cost), y.at(point.accuracy)) for point in points],
        [thick(bar, around) for _, bar in intervals] + [thick((*a, *b), around) for a, b in pairwise(corners)],
        (room.left, room.top - 1.2 * em, sheet.width, room.bottom),
        em / PAGE_EM,
    ):
        sheet.text(one.x, one.y, one.name, anchor=one.anchor, halo=True)
