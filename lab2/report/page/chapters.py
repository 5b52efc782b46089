"""The sections that a study adds to the page of its run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lab2.report.chapter import Chapter, Curve
from lab2.report.page.curves import Curves, draw_curves
from lab2.report.page.styles import Style

NEAR = 4.0  # the axis of curves goes on to so much less than the least error in their middles


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A chapter and its drawn curves."""

    chapter: Chapter
    curves: Curves


def sections(chapters: Sequence[Chapter], styles: Mapping[str, Style], least: float) -> list[Section]:
    """In the same order. `least`: half an image, as a share."""
    return [Section(chapter=one, curves=_drawn(one, styles, least)) for one in chapters]


def _drawn(one: Chapter, styles: Mapping[str, Style], least: float) -> Curves:
    least = max(least, room_below(one.curves))
    return draw_curves(one.curves, styles, least, name=f"{one.name}-curves", x_title=one.x)


def room_below(curves: Sequence[Curve]) -> float:
    """The least error on the axis of the curves: a band up to 100 % would leave no room for what is below."""
    return min((1 - value for one in curves for value in one.middle), default=0.0) / NEAR
