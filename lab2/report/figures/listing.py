"""Charts with a line a row: its name left, its mark and interval, its numbers right, or below the name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lab2.report.axes import Axis
from lab2.report.figures.drawing import Size
from lab2.report.figures.sheet import INK, LINE, QUIET, SMALL, Room, Sheet
from lab2.report.labels import shortened
from lab2.report.page.styles import Style

WIDE_LINE, NARROW_LINE = 1.75, 2.7  # ems of a line; in a narrow chart the numbers stand below the name
ABOVE, BELOW = 0.6, 3.6  # ems around the lines: the axis and its title stand below
MOST_LETTERS = 34  # of a name
MOST_BESIDE = 0.5  # of the width: what names beside the chart may take


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """A value on the axis, drawn as a mark."""

    value: float
    style: Style
    size: float = 0.4  # ems
    hollow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row."""

    name: str
    numbers: str
    dots: Sequence[Dot]
    low: float | None = None  # of its interval
    high: float | None = None
    colour: str = INK  # of its interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The whole chart."""

    lines: Sequence[Line]
    axis: Callable[[float, float, float], Axis]  # from where to where, and an em
    title: str  # of the axis
    zero: float | None = None  # a value at which a line stands
    band: tuple[float, float] | None = None  # values between which it is shaded

    def height(self, size: Size) -> float:
        """What it needs, in ems."""
        return ABOVE + (WIDE_LINE if size.wide else NARROW_LINE) * len(self.lines) + BELOW

    def draw(self, sheet: Sheet) -> None:
        em = sheet.em
        names = [shortened(one.name, MOST_LETTERS) for one in self.lines]
        left, right, above = self._edges(sheet, names)
        room = Room(left=left, top=ABOVE * em, right=right, bottom=sheet.height - BELOW * em)
        x = self.axis(room.left + 0.6 * em, room.right - 0.6 * em, em)
        self._ground(sheet, room, x)
        step = (room.bottom - room.top) / len(self.lines)
        for number, (one, name) in enumerate(zip(self.lines, names, strict=True)):
            y = room.top + step * (number + 0.5)
            if sheet.wide or above:
                base = y - 0.3 * em if above else y + 0.34 * em
                sheet.text(0.4 * em, base, name, halo=above)
                place = sheet.width - 0.4 * em
                sheet.text(place, base, one.numbers, anchor="end", colour=QUIET, size=SMALL, halo=above)
            else:
                sheet.text(0.4 * em, y - 0.2 * em, name)
                sheet.text(0.4 * em, y + 0.95 * em, one.numbers, colour=QUIET, size=SMALL)
            self._row(sheet, one, x, y + 0.5 * em if above else y)
        sheet.bottom(room, x, self.title)

    def _edges(self, sheet: Sheet, names: Sequence[str]) -> tuple[float, float, bool]:
        """Where the chart begins and ends, and whether the text of a line stands above its mark: where it is long."""
        em = sheet.em
        name = max(map(sheet.width_of, names))
        number = max(sheet.width_of(one.numbers, SMALL) for one in self.lines)
        beside = name if sheet.wide else max(name, number)
        above = beside > MOST_BESIDE * sheet.width
        right = sheet.width - (number + 1.6 * em if sheet.wide and not above else 0.4 * em)
        return 0.4 * em if above else beside + 1.4 * em, right, above

    def _ground(self, sheet: Sheet, room: Room, x: Axis) -> None:
        """The shaded band, lines at the ticks, and the line at `zero`."""
        if self.band:
            low, high = (x.at(value) for value in self.band)
            sheet.box(Room(left=low, top=room.top, right=high, bottom=room.bottom), LINE, 0.5)
        for place, _ in x.ticks:
            sheet.line([(place, room.top), (place, room.bottom)], LINE)
        if self.zero is not None:
            sheet.line([(x.at(self.zero), room.top), (x.at(self.zero), room.bottom)], QUIET, 0.12)

    def _row(self, sheet: Sheet, one: Line, x: Axis, y: float) -> None:
        """The interval and the marks of a line."""
        if one.low is not None and one.high is not None:
            sheet.line([(x.at(one.low), y), (x.at(one.high), y)], one.colour, 0.2)
        for dot in one.dots:
            sheet.mark(x.at(dot.value), y, dot.style, dot.size, hollow=dot.hollow)
