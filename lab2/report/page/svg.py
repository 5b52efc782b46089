"""SVG as text. Source: SVG 2 (W3C), chapters 8 to 10.

Colours, fonts and line widths are classes of `page.css`: a policy of the page forbids style attributes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from markupsafe import Markup, escape

SHAPES = ("circle", "square", "diamond", "up", "down", "plus")  # of marks

LETTER = 7  # pixels: the width of a digit of a tick

Value = str | int | float


def element(name: str, attributes: Mapping[str, Value], content: str = "") -> Markup:
    """One element. Attributes and text are escaped; `content` that is `Markup` is not. Floats get one digit."""
    written = "".join(f' {key}="{escape(_short(value))}"' for key, value in attributes.items())
    return Markup(f"<{name}{written}>{escape(content)}</{name}>" if content else f"<{name}{written}/>")


def joined(parts: Iterable[str]) -> Markup:
    """The parts, one after the other; text among them is escaped."""
    return Markup("").join(parts)


def chart(width: int, height: int, conclusion: str, parts: Iterable[str], kind: str = "chart") -> Markup:
    """A whole picture. `conclusion`: what it shows, for those who do not see it."""
    attributes: dict[str, Value] = {
        "viewBox": f"0 0 {width} {height}", "class": kind, "role": "img", "aria-label": conclusion,
    }  # fmt: skip
    return element("svg", attributes, joined(parts))


def text(x: float, y: float, content: str, kind: str) -> Markup:
    """Text whose baseline begins, ends or has its middle at `x`, as the class says."""
    return element("text", {"x": x, "y": y, "class": kind}, content)


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    return element("line", {"x1": x1, "y1": y1, "x2": x2, "y2": y2, "class": kind})


def path(points: Iterable[tuple[float, float]], kind: str, *, closed: bool = False) -> Markup:
    """A line through the points, or the area within them."""
    words = "L".join(f"{_short(float(x))} {_short(float(y))}" for x, y in points)
    return element("path", {"d": f"M{words}{'Z' * closed}", "class": kind})


def mark(shape: str, x: float, y: float, size: float, kind: str, title: str = "") -> Markup:
    """One of `SHAPES` around a point; `title` is shown where a pointer rests on it."""
    shown = element("title", {}, title) if title else ""
    if shape == "circle":
        return element("circle", {"cx": x, "cy": y, "r": size, "class": kind}, shown)
    corners = [f"{_short(x + size * dx)} {_short(y + size * dy)}" for dx, dy in CORNERS[shape]]
    return element("path", {"d": f"M{'L'.join(corners)}Z", "class": kind}, shown)


_THIRD = 0.4
CORNERS: dict[str, tuple[tuple[float, float], ...]] = {
    "square": ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)),
    "diamond": ((0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)),
    "up": ((0, -1.2), (1.15, 0.9), (-1.15, 0.9)),
    "down": ((0, 1.2), (1.15, -0.9), (-1.15, -0.9)),
    "plus": (
        *((-_THIRD, -1.2), (_THIRD, -1.2), (_THIRD, -_THIRD), (1.2, -_THIRD), (1.2, _THIRD), (_THIRD, _THIRD)),
        *((_THIRD, 1.2), (-_THIRD, 1.2), (-_THIRD, _THIRD), (-1.2, _THIRD), (-1.2, -_THIRD), (-_THIRD, -_THIRD)),
    ),
}


def _short(value: Value) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
