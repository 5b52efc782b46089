"""The axes of charts: from values to places on paper, with round ticks.

A place is a number between the `start` and the `end` of the axis: pixels in the page, points in a figure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """From values to places. Beyond its ends a value stands at the end."""

    at: Callable[[float], float]
    ticks: tuple[tuple[float, str], ...]  # place and text


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


# What is wrong at a tick, the ones that a narrow axis keeps first: 90, 99, 99.9 ... %, then 10 %, then those between.
_ERRORS = (
    *(10.0**-power for power in range(1, 7)),
    0.9,
    *(times * 10.0**-power for times in (5.0, 2.0) for power in range(1, 7)),
)


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
    """The same axis, without ticks that are closer than `least` to one before."""
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
