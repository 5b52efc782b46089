"""Names beside the marks of a chart, where there is room for them. Places are as in `axes.py`, with y downwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

_LETTER, _LINE = 7.3, 14.0  # a label's letter and line in the page's pixels, estimated
_MARK = 6.0  # around the middle of a mark, what no label covers

Point = tuple[float, float]
Box = tuple[float, float, float, float]  # left, top, right, bottom
Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A name and the middle of its mark."""

    name: str
    x: float
    y: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A name and where its baseline begins, has its middle or ends, as `anchor` says."""

    name: str
    x: float
    y: float
    anchor: Anchor


def labels(
    named: Sequence[Label], marks: Sequence[Point], lines: Sequence[Box], room: Box, scale: float = 1.0
) -> list[Placed]:
    """Each of `named` beside its mark and within `room`, the first ones first. One without a place is left out.

    It covers neither one of `marks` nor another label, and none of `lines` where it can be helped. `scale`: of letters
    and marks, in the page's.
    """
    around = _MARK * scale
    taken = [(x - around, y - around, x + around, y + around) for x, y in marks]
    found: list[Placed] = []
    for one in named:
        free = [
            (box, placed)
            for box, placed in _places(one, scale)
            if _inside(box, room) and not any(_overlap(box, other) for other in taken)
        ]
        clear = [place for place in free if not any(_overlap(place[0], line) for line in lines)]
        for box, placed in (clear or free)[:1]:
            taken.append(box)
            found.append(placed)
    return found


def shortened(text: str, most: int) -> str:
    """`text`, of which an ellipsis replaces the middle where it has more than `most` characters."""
    if len(text) <= most:
        return text
    first = most // 2
    return f"{text[:first]}…{text[len(text) - (most - 1 - first) :]}"


def thick(one: Box, around: float = 2.0) -> Box:
    """The room that a line takes; its ends in any order."""
    left, right, top, bottom = min(one[0], one[2]), max(one[0], one[2]), min(one[1], one[3]), max(one[1], one[3])
    return left - around, top - around, right + around, bottom + around


def _places(one: Label, scale: float) -> Iterator[tuple[Box, Placed]]:
    """Where its text may stand, the best place first."""
    wide = _LETTER * scale * len(one.name)
    sides: tuple[tuple[float, float, Anchor], ...] = (
        *((9, dy, "start") for dy in (4, -8, 16)),
        *((-9, dy, "end") for dy in (4, -8, 16)),
        *((0, dy, "middle") for dy in (-11, 19)),
    )
    for dx, dy, anchor in sides:
        x, y = one.x + dx * scale, one.y + dy * scale
        left = x - {"start": 0.0, "end": wide, "middle": wide / 2}[anchor]
        below = 3 * scale
        box = (left, y - _LINE * scale + below, left + wide, y + below)
        yield box, Placed(name=one.name, x=x, y=y, anchor=anchor)


def _inside(box: Box, room: Box) -> bool:
    return room[0] <= box[0] and room[1] <= box[1] and box[2] <= room[2] and box[3] <= room[3]


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
