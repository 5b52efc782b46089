"""Time to target: a line a row, its seeds hollow and their mean filled, on a logarithmic axis of seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from lab2.report.axes import apart, log_axis
from lab2.report.labels import shortened
from lab2.report.page.styles import Style
from lab2.report.page.svg import LETTER, chart, line, mark, text
from lab2.report.targets import Targets

WIDTH, LINE, BELOW = 500, 26, 44
_LEFT, _RIGHT = 150, 484
MOST_ROWS = 60
MOST_LETTERS = 16  # of a name


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSection:
    """What the section shows."""

    targets: Targets
    picture: Markup | None  # None where no seed arrived
    own: bool  # whether a row has a target of its own
    left_out: int  # rows for which there is no room


def target_section(targets: Targets | None, styles: Mapping[str, Style]) -> TargetSection | None:
    """The chart of the first `MOST_ROWS`."""
    if targets is None:
        return None
    return TargetSection(
        targets=targets,
        picture=_picture(targets, styles),
        own=any(row.own for row in targets.rows),
        left_out=max(0, len(targets.rows) - MOST_ROWS),
    )


def _picture(targets: Targets, styles: Mapping[str, Style]) -> Markup | None:
    rows, ends = targets.rows[:MOST_ROWS], targets.ends
    if ends is None:
        return None
    bottom = 8 + LINE * len(rows)
    x = apart(log_axis(*ends, _LEFT, _RIGHT), 8, LETTER)
    parts: list[Markup] = []
    for place, words in x.ticks:
        parts += [line(place, 8, place, bottom, "grid"), text(place, bottom + 18, words, "tick middle")]
    parts += [
        line(_LEFT, bottom, _RIGHT, bottom, "axis"),
        text((_LEFT + _RIGHT) / 2, bottom + 38, "seconds of training", "label middle"),
    ]
    for number, row in enumerate(rows):
        y, style, common = 8 + LINE * (number + 0.5), styles[row.job], row.common
        parts.append(text(_LEFT - 12, y + 4, shortened(row.job, MOST_LETTERS), "name end"))
        if common.seconds:
            parts.append(line(x.at(min(common.seconds)), y, x.at(max(common.seconds)), y, f"bar {style.colour}"))
        else:
            parts.append(text(_LEFT + 8, y + 4, common.text, "label"))
        for value in common.seconds if common.seeds > 1 else ():
            parts.append(mark(style.shape, x.at(value), y, 3, f"mark {style.colour} few", f"{value:.3g} s"))
        if common.mean is not None:
            parts.append(mark(style.shape, x.at(common.mean), y, 4.5, f"mark {style.colour}", common.text))
    return chart(WIDTH, bottom + BELOW, targets.conclusion, parts)
