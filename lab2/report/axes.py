"""The axes of charts: from values to places on paper, with round ticks.

A place is a number between the `start` and the `end` of the axis: pixels in the page, points in a figure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

MANY = 10_000  # from so many on, what is counted is shown in thousands
FEWEST = 4  # ticks with which an axis can be read, where there is room for them
_MOST_DIGITS = 6  # of a tick
Ticks = tuple[tuple[float, str], ...]  # place and text


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """From values to places. Beyond its ends a value stands at the end.

    `choices`: sets of ticks, the plainest first; in each those that matter most come first. `even`: a set is of use
    only as a whole, because its ticks have equal distances.
    """

    at: Callable[[float], float]
    choices: tuple[Ticks, ...]
    even: bool = False

    @property
    def ticks(self) -> Ticks:
        """In the order of their places; what `apart` leaves may be shown."""
        return _in_order(next((each for each in self.choices if len(each) >= FEWEST), self.choices[-1]))


def linear_axis(low: float, high: float, start: float, end: float, count: int = 5) -> Axis:
    """Equal distances for equal differences; ticks at 1, 2 or 5 times a power of ten."""
    span = (high - low) or abs(high) or 1.0
    step = _nice(span / count)
    high = max(high, low + span)
    low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step

    def at(value: float) -> float:
        return start + (end - start) * min(1.0, max(0.0, (value - low) / (high - low)))

    steps = [step * share for share in (1.0, 0.5, 0.2, 0.1, 2.0)]  # the last where there is no room for more
    whole = [each for each in steps if abs(round((high - low) / each) - (high - low) / each) < 1e-9]
    sets = [[low + each * number for number in range(round((high - low) / each) + 1)] for each in whole]
    return Axis(at=at, choices=tuple(_with_text(at, places) for places in sets), even=True)


def count_axis(most: float, start: float, end: float, title: str) -> tuple[Axis, str]:
    """From 0 to `most` of what is counted, and the title; many are shown in thousands, for their digits take room.

    Where whole numbers do, no tick is a fraction.
    """
    scale = 1000 if most >= MANY else 1
    axis = linear_axis(0, most / scale, start, end, 3)
    whole = tuple(ticks for ticks in axis.choices if not any("." in words for _, words in ticks))
    found = Axis(at=lambda count: axis.at(count / scale), choices=whole or axis.choices, even=True)
    return found, f"{title} (thousands)" if scale > 1 else title


def log_axis(low: float, high: float, start: float, end: float) -> Axis:
    """Equal distances for equal ratios, of positive values; ticks at powers of ten, and between where these are few.

    What is not positive stands at the start.
    """
    first, last = math.log10(low), math.log10(high)
    room = max(0.06 * (last - first), 0.08)
    first, last = first - room, last + room
    decades = range(math.floor(first), math.ceil(last) + 1)
    every = 1 + len(decades) // 9

    def at(value: float) -> float:
        place = (math.log10(value) - first) / (last - first) if value > 0 else 0.0
        return start + (end - start) * min(1.0, max(0.0, place))

    def inside(several: Sequence[float]) -> list[float]:
        places = [times * 10.0**power for times in several for power in decades if power % every == 0]
        return [place for place in places if first <= math.log10(place) <= last]

    sets = [inside((1.0,)), inside((1.0, 3.0)), inside((1.0, 5.0, 2.0)), *_evens(10**first, 10**last)]
    return Axis(at=at, choices=tuple(_with_text(at, places) for places in sets))


# What is wrong at a tick, the ones that a narrow axis keeps first: 90, 99, 99.9 ... %, then 10 %, then those between.
_FIRST = (*(10.0**-power for power in range(1, 7)), 0.9)
_ERRORS = tuple(
    (*_FIRST, *(times * 10.0**-power for times in between for power in range(1, 7))) for between in ((5.0, 2.0), (3.0,))
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

    usual = [[100 * (1 - error) for error in each if best <= math.log10(error) <= worst] for each in _ERRORS]
    sets = [*usual, *_evens(100 * (1 - 10**worst), 100 * (1 - 10**best))]
    return Axis(at=at, choices=tuple(_with_text(lambda percent: at(percent / 100), places) for places in sets))


def apart(axis: Axis, least: float, letter: float = 0.0) -> Axis:
    """The same axis with the plainest ticks that can be read: as many as `FEWEST` where there is room for them.

    Between two texts are at least `least`; `letter` is the width of their characters, where they lie along the axis.
    """
    sets = [(each, _spread(each, least, letter)) for each in axis.choices]
    usable = [kept for each, kept in sets if not axis.even or len(kept) == len(each)] or [kept for _, kept in sets]
    enough = next((kept for kept in usable if len(kept) >= FEWEST), None)
    return Axis(at=axis.at, choices=(_in_order(enough or max(usable, key=len)),), even=axis.even)


def _spread(ticks: Ticks, least: float, letter: float) -> Ticks:
    """Those that do not touch one before."""
    kept: list[tuple[float, str]] = []
    for place, words in ticks:
        if all(abs(place - other) >= least + letter * (len(words) + len(text)) / 2 for other, text in kept):
            kept.append((place, words))
    return tuple(kept)


def _evens(low: float, high: float) -> list[list[float]]:
    """Sets of round values in equal distances between `low` and `high`, the fewest first; the rounder values first."""
    sets: list[list[float]] = []
    step = _nice((high - low) / 3)
    while len(sets) < 5 and step >= 10.0 ** (math.floor(math.log10(max(abs(low), abs(high)))) + 1 - _MOST_DIGITS):
        numbers = range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
        sets.append(sorted((step * number for number in numbers), key=_roundness, reverse=True))
        step = _nice(step * 0.4)
    return sets


def _roundness(value: float) -> int:
    """How many digits less than others it needs."""
    return -len(f"{value:.{_MOST_DIGITS - 1}e}".partition("e")[0].rstrip("0"))


def _nice(step: float) -> float:
    """1, 2 or 5 times a power of ten, `step` or the next larger one."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(power * times for times in (1, 2, 5, 10) if power * times >= step * (1 - 1e-9))


def _with_text(at: Callable[[float], float], values: Iterable[float]) -> Ticks:
    return tuple((at(value), _tick(value)) for value in values)


def _in_order(ticks: Ticks) -> Ticks:
    return tuple(sorted(ticks))


def _tick(value: float) -> str:
    rounded = float(f"{value:.{_MOST_DIGITS}g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 1000 else f"{rounded:g}"
