"""SVG as text, and axes: from values to pixels, with ticks. Source: SVG 2 (W3C), chapters 8 to 10.

Colours, fonts and line widths are classes of `page.css`: a policy of the page forbids style attributes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from markupsafe import Markup, escape

SHAPES = ("circle", "square", "diamond", "up", "down", "plus")  # of marks

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
    corners = [f"{_short(x + size * dx)} {_short(y + size * dy)}" for dx, dy in _CORNERS[shape]]
    return element("path", {"d": f"M{'L'.join(corners)}Z", "class": kind}, shown)


_THIRD = 0.4
_CORNERS: dict[str, tuple[tuple[float, float], ...]] = {
    "square": ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)),
    "diamond": ((0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)),
    "up": ((0, -1.2), (1.15, 0.9), (-1.15, 0.9)),
    "down": ((0, 1.2), (1.15, -0.9), (-1.15, -0.9)),
    "plus": (
        *((-_THIRD, -1.2), (_THIRD, -1.2), (_THIRD, -_THIRD), (1.2, -_THIRD), (1.2, _THIRD), (_THIRD, _THIRD)),
        *((_THIRD, 1.2), (-_THIRD, 1.2), (-_THIRD, _THIRD), (-1.2, _THIRD), (-1.2, -_THIRD), (-_THIRD, -_THIRD)),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """From values to pixels. Beyond its ends a value stands at the end."""

    at: Callable[[float], float]
    ticks: tuple[tuple[float, str], ...]  # pixel and text


def linear_axis(low: float, high: float, start: float, end: float, count: int = 5) -> Axis:
    """Equal distances for equal differences; ticks at 1, 2 or 5 times a power of ten."""
    span = (high - low) or abs(high) or 1.0
    step = _nice(span / count)
    high = max(high, low + span)
    low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    places = [low + step * number for number in range(round((high - low) / step) + 1)]

    def at(value: float) -> float:
        return start + (end - start) * min(1.0, max(0.0, (value - low) / (high - low)))

    return Axis(at=at, ticks=tuple((at(place), _tick(place)) for place in places))


def log_axis(low: float, high: float, start: float, end: float) -> Axis:
    """Equal distances for equal ratios, of positive values; ticks at powers of ten, and between where these are few.

    What is not positive stands at the start.
    """
    first, last = math.log10(low), math.log10(high)
    room = max(0.06 * (last - first), 0.08)
    first, last = first - room, last + room
    decades = range(math.floor(first), math.ceil(last) + 1)
    every = 1 + len(decades) // 9
    several = (1.0, 2.0, 5.0) if last - first < 2 else (1.0, 3.0) if last - first < 3 else (1.0,)
    places = [times * 10.0**power for power in decades if power % every == 0 for times in several]

    def at(value: float) -> float:
        place = (math.log10(value) - first) / (last - first) if value > 0 else 0.0
        return start + (end - start) * min(1.0, max(0.0, place))

    inside = [place for place in places if first <= math.log10(place) <= last]
    if len(inside) < 3:  # all are much alike
        inside = _even(10**first, 10**last, 4)
    return Axis(at=at, ticks=tuple((at(place), _tick(place)) for place in inside))


_ERRORS = tuple(times * 10.0**-power for power in range(1, 7) for times in (9.0, 5.0, 2.0, 1.0))  # 0.9, 0.5 ... 1e-6


def accuracy_axis(values: Iterable[float], start: float, end: float, least: float) -> Axis:
    """Of shares in [0, 1], in per cent: equal distances for equal ratios of what is wrong. 1 stands at 1 - `least`.

    From 90 to 99 % it is as far as from 99 to 99.9 %. `least`: an error that nobody has, as half a test image.
    """
    errors = [max(least, 1 - value) for value in values] or [0.5]
    worst, best = math.log10(max(errors)), math.log10(min(errors))
    room = max(0.05 * (worst - best), 0.04)
    worst, best = min(0.0, worst + room), best - room

    def at(value: float) -> float:
        place = (worst - math.log10(max(least, 1 - value))) / (worst - best)
        return start + (end - start) * min(1.0, max(0.0, place))

    inside = [error for error in _ERRORS if best <= math.log10(error) <= worst]
    if len(inside) < 2:  # all are much alike
        inside = [1 - place for place in _even(1 - 10**worst, 1 - 10**best, 3)]
    return Axis(at=at, ticks=tuple((at(1 - error), _tick(100 * (1 - error))) for error in inside))


def apart(axis: Axis, least: float) -> Axis:
    """The same axis, without ticks that are closer than `least` pixels to one before."""
    kept: list[tuple[float, str]] = []
    for place, words in axis.ticks:
        if all(abs(place - other) >= least for other, _ in kept):
            kept.append((place, words))
    return Axis(at=axis.at, ticks=tuple(kept))


def _even(low: float, high: float, count: int) -> list[float]:
    """Round values in equal distances from `low` to `high`, about `count`."""
    step = _nice((high - low) / count)
    return [step * number for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _nice(step: float) -> float:
    """1, 2 or 5 times a power of ten, `step` or the next larger one."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(power * times for times in (1, 2, 5, 10) if power * times >= step * (1 - 1e-9))


def _tick(value: float) -> str:
    rounded = float(f"{value:.6g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 1000 else f"{rounded:g}"


def _short(value: Value) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
