"""The sections that a study adds to the page of its run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lab2.report.chapter import Chapter, Curve
from lab2.report.page.curves import Curves, draw_curves
from lab2.report.page.lines import Drawn, draw_charts
from lab2.report.page.styles import Style

NEAR = 4.0  # the axis of curves goes on to so much less than the least error in their middles


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A chapter and what is drawn of it."""

    chapter: Chapter
    charts: tuple[Drawn, ...]
    key: Mapping[str, Style]  # of the charts' lines, by their names; what is a point has its name beside it
    curves: Curves


def sections(chapters: Sequence[Chapter], styles: Mapping[str, Style], least: float) -> list[Section]:
    """In the same order. `least`: half an image, as a share."""
    return [_section(one, styles, least) for one in chapters]


def _section(one: Chapter, styles: Mapping[str, Style], least: float) -> Section:
    return Section(
        chapter=one,
        charts=draw_charts(one.charts, styles, least),
        key={each.name: styles[each.job] for chart in one.charts for each in chart.lines if len(each.x) > 1},
        curves=draw_curves(
            one.curves, styles, max(least, room_below(one.curves)), name=f"{one.name}-curves", x_title=one.x
        ),
    )


def room_below(curves: Sequence[Curve]) -> float:
    """The least error on the axis of the curves: a band up to 100 % would leave no room for what is below."""
    return min((1 - value for one in curves for value in one.middle), default=0.0) / NEAR
