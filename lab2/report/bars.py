"""Pictures of one line of characters: the interval of each row of a table, and how a curve has run.

Each character has one of plain ASCII that means the same (`lab2/foreign_text.py`), for terminals without UTF-8.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from lab2.report.page.svg import Axis, accuracy_axis, apart

LOW, BETWEEN, MIDDLE, HIGH, BEFORE, BEHIND = "├─●┤◂▸"
STEPS = "▁▂▃▄▅▆▇█"
FEWEST = 10  # characters in which a bar still says something


def interval_bars(summary: pd.DataFrame, width: int) -> tuple[str, list[str]]:
    """The heading, which is the scale in per cent, and a bar of `width` characters for each row of the summary.

    A bar goes from the lower to the upper end of the 95 % interval of the accuracy, a dot marks the accuracy. The scale
    is that of the rows that are trained; an arrow stands where another row lies beyond it. Rows without an accuracy
    have an empty bar.
    """
    known = summary[summary["accuracy"].notna()]
    trained = known[known["effort"].notna()]  # a fitted baseline has no recipe that took effort
    images = known["test_images"].dropna()
    least = 0.5 / max(1, int(images.max()) if len(images) else 1)
    scale = known if trained.empty else trained
    ends = [float(value) for name in ("accuracy_low", "accuracy_high") for value in scale[name]]
    axis = accuracy_axis(ends, 0, width - 1, least)
    lowest, highest = min(ends, default=0.0), max(ends, default=1.0)
    bars = []
    for low, mean, high in zip(summary["accuracy_low"], summary["accuracy"], summary["accuracy_high"], strict=True):
        if pd.isna(mean):
            bars.append("")
        elif high < lowest and axis.at(high) == 0:
            bars.append(BEFORE)
        elif low > highest and axis.at(low) == width - 1:
            bars.append(BEHIND.rjust(width))
        else:
            bars.append(_bar(*(round(axis.at(float(value))) for value in (low, mean, high))))
    return _ruler(axis, width), bars


def _bar(low: int, mean: int, high: int) -> str:
    """From character `low` to character `high`."""
    drawn = [" "] * low + [BETWEEN] * (high - low + 1)
    drawn[low], drawn[high] = LOW, HIGH
    drawn[mean] = MIDDLE
    return "".join(drawn)


def _ruler(axis: Axis, width: int) -> str:
    """The axis' ticks as text, each around its place, as many as there is room for."""
    drawn = [" "] * width
    for place, words in apart(axis, 1.0).ticks:
        text = f"{words}%"
        start = min(max(0, round(place) - len(text) // 2), width - len(text))
        if start >= 0 and not "".join(drawn[max(0, start - 1) : start + len(text) + 1]).strip():
            drawn[start : start + len(text)] = text
    return "".join(drawn).rstrip()


def sparkline(values: Sequence[float], low: float, high: float, width: int) -> str:
    """A character a value, its height between `low` and `high`; of more than `width` values as many, evenly chosen.

    The last value is always drawn.
    """
    if len(values) > width:
        last = len(values) - 1
        values = [values[round(number * last / (width - 1))] for number in range(width)] if width > 1 else values[-1:]
    span = (high - low) or 1.0
    return "".join(STEPS[min(len(STEPS) - 1, max(0, int((value - low) / span * len(STEPS))))] for value in values)
