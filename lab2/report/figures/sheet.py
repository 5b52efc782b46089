"""A sheet to draw on: text, lines and marks at places in points, y downwards, in the colours of the page.

A figure is drawn by the maths of the page's charts (`axes.py`, `labels.py`), so both show the same. Lengths that go
with the text are in ems: the size of its font.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab2.report.axes import Axis
from lab2.report.figures.fonts import shown
from lab2.report.labels import Anchor
from lab2.report.page.styles import Style
from lab2.report.page.svg import CORNERS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STYLE = Path(__file__).parents[1] / "page" / "page.css"
_ALIGNED = {"start": "left", "middle": "center", "end": "right"}
INK, QUIET, LINE, PAPER, ACCENT = "ink", "quiet", "line", "paper", "accent"  # names of colours, as in page.css
GOOD, BAD, HEAT = "good", "bad", "heat"
WIDE = 36.0  # ems: a sheet as wide as this has room for things side by side
THIN = 0.09  # em: the width of lines of axes
LETTER = 0.6  # em: the width of a digit of a tick
SMALL = 0.92  # em: the text of ticks, as in the page

Points = Iterable[tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """The frame of a chart: the places of its edges, in points."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sheet:
    """Paper of `width` x `height` points; `em` is the size of its font in points."""

    axes: Axes
    width: float
    height: float
    em: float

    @property
    def wide(self) -> bool:
        """Whether it has room for things side by side."""
        return self.width > WIDE * self.em

    def text(
        self, x: float, y: float, content: str, *, anchor: Anchor = "start", colour: str = INK, size: float = 1.0,
        bold: bool = False, halo: bool = False, turned: bool = False,
    ) -> None:  # fmt: skip
        """Text whose baseline begins, has its middle or ends at `x`.

        `halo`: what lies behind it is pale. `turned`: it goes upwards, from `y`.
        """
        words, families = shown(content)
        more: dict[str, Any] = {"rotation": 90, "rotation_mode": "anchor"} if turned else {}
        if halo:  # an outline would make paths of the letters
            wide = self.width_of(content, size)
            left = x - {"start": 0.0, "middle": wide / 2, "end": wide}[anchor]
            behind = Room(left=left, top=y - 0.8 * size * self.em, right=left + wide, bottom=y + 0.25 * size * self.em)
            self.box(behind, PAPER, 0.85)
        self.axes.text(
            x, y, words, fontsize=size * self.em, family=families, color=colour_of(colour), ha=_ALIGNED[anchor],
            va="baseline", fontweight="bold" if bold else "normal", parse_math=False, **more,
        )  # fmt: skip

    def width_of(self, content: str, size: float = 1.0, bold: bool = False) -> float:
        """How wide the text is, in points."""
        from matplotlib.font_manager import FontProperties
        from matplotlib.textpath import TextToPath

        words, families = shown(content)
        font = FontProperties(family=families, size=size * self.em, weight="bold" if bold else "normal")
        width, _, _ = TextToPath().get_text_width_height_descent(words, font, ismath=False)
        return float(width)

    def line(
        self,
        points: Points,
        colour: str = INK,
        width: float = THIN,
        *,
        dashes: Sequence[float] = (),
        opacity: float = 1.0,
    ) -> None:
        """A line of `width` ems through the points; `dashes`: lengths in widths of the line."""
        xs, ys = zip(*points, strict=True)
        style: Any = (0, tuple(dashes)) if dashes else "-"
        self.axes.plot(
            xs, ys, color=colour_of(colour), linewidth=width * self.em, linestyle=style, solid_capstyle="butt",
            solid_joinstyle="round", dash_capstyle="round", alpha=opacity,
        )  # fmt: skip

    def area(self, points: Points, colour: str, opacity: float = 1.0) -> None:
        """What lies within the points."""
        from matplotlib.patches import Polygon

        filled = Polygon(list(points), closed=True, facecolor=colour_of(colour), alpha=opacity, linewidth=0)
        self.axes.add_patch(filled)

    def box(self, room: Room, colour: str, opacity: float = 1.0) -> None:
        """A filled rectangle."""
        corners = ((room.left, room.top), (room.right, room.top), (room.right, room.bottom), (room.left, room.bottom))
        self.area(corners, colour, opacity)

    def mark(self, x: float, y: float, style: Style, size: float = 0.4, *, hollow: bool = False) -> None:
        """The mark of a row, about `size` ems from its middle to its edge."""
        from matplotlib.patches import Circle, Patch, Polygon

        radius, colour = size * self.em, colour_of(style.colour)
        edge, width = (colour, 0.11) if hollow else (colour_of(PAPER), 0.06)
        how: dict[str, Any] = {
            "facecolor": colour_of(PAPER) if hollow else colour, "edgecolor": edge, "linewidth": width * self.em,
            "zorder": 3,
        }  # fmt: skip
        if style.shape == "circle":
            patch: Patch = Circle((x, y), radius, **how)
        else:
            corners = [(x + radius * dx, y + radius * dy) for dx, dy in CORNERS[style.shape]]
            patch = Polygon(corners, closed=True, **how)
        self.axes.add_patch(patch)

    def frame(self, room: Room, x: Axis, y: Axis, title: str, side: str) -> None:
        """Lines at the ticks of y, the ticks of x, and the titles of both: `title` below, `side` above."""
        em = self.em
        for place, words in y.ticks:
            self.line([(room.left, place), (room.right, place)], LINE)
            self.text(room.left - 0.5 * em, place + 0.33 * em, words, anchor="end", colour=QUIET, size=SMALL)
        self.bottom(room, x, title)
        if side:
            self.text(0.3 * em, room.top - 0.8 * em, side, colour=QUIET, size=SMALL)

    def bottom(self, room: Room, x: Axis, title: str) -> None:
        """The axis of x below the room, with its ticks and its title."""
        em = self.em
        for place, words in x.ticks:
            self.line([(place, room.bottom), (place, room.bottom + 0.35 * em)], QUIET)
            self._middle(place, room.bottom + 1.4 * em, words)
        self.line([(room.left, room.bottom), (room.right, room.bottom)], QUIET)
        if title:
            self._middle((room.left + room.right) / 2, room.bottom + 2.75 * em, title)

    def _middle(self, x: float, y: float, content: str) -> None:
        """Small text with its middle at `x`, or as near as the edge of the sheet lets it."""
        least = self.width_of(content, SMALL) / 2 + 0.2 * self.em
        x = max(least, min(self.width - least, x))
        self.text(x, y, content, anchor="middle", colour=QUIET, size=SMALL)


@cache
def colour_of(name: str) -> str:
    """A colour of the page on light paper, as `#rrggbb`; a name is that of its variable in page.css."""
    light = _STYLE.read_text().partition("}")[0]
    value = re.findall(rf"--{re.escape(name)}: ([^;]+);", light)[0]
    return value if value.startswith("#") else "#" + "".join(f"{int(part):02x}" for part in value.split())
