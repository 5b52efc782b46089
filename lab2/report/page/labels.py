"""Names beside the marks of a chart, where there is room for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from lab2.report.page.svg import text

_LETTER, _LINE = 7.3, 14.0  # pixels of a label's letter and line, estimated
_MARK = 6.0  # pixels around the middle of a mark that no label covers

Point = tuple[float, float]  # pixels
Box = tuple[float, float, float, float]  # left, top, right, bottom, in pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A name and the middle of its mark."""

    name: str
    x: float
    y: float


def labels(named: Sequence[Label], marks: Sequence[Point], lines: Sequence[Box], room: Box) -> list[Markup]:
    """Each of `named` beside its mark and within `room`, the first ones first. One without a place is left out.

    It covers neither one of `marks` nor another label, and none of `lines` where it can be helped.
    """
    taken = [(x - _MARK, y - _MARK, x + _MARK, y + _MARK) for x, y in marks]
    found: list[Markup] = []
    for one in named:
        free = [
            (box, shown)
            for box, shown in _places(one)
            if _inside(box, room) and not any(_overlap(box, other) for other in taken)
        ]
        clear = [place for place in free if not any(_overlap(place[0], line) for line in lines)]
        for box, shown in (clear or free)[:1]:
            taken.append(box)
            found.append(shown)
    return found


def _places(one: Label) -> Iterator[tuple[Box, Markup]]:
    """Where its text may stand, the best place first."""
    wide = _LETTER * len(one.name)
    for dx, dy, anchor in (
        *((9, dy, "start") for dy in (4, -8, 16)),
        *((-9, dy, "end") for dy in (4, -8, 16)),
        *((0, dy, "middle") for dy in (-11, 19)),
    ):
        x, y = one.x + dx, one.y + dy
        left = x - {"start": 0.0, "end": wide, "middle": wide / 2}[anchor]
        yield (left, y - _LINE + 3, left + wide, y + 3), text(x, y, one.name, f"name {anchor}")


def _inside(box: Box, room: Box) -> bool:
    return room[0] <= box[0] and room[1] <= box[1] and box[2] <= room[2] and box[3] <= room[3]


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
