"""The intervals of a table's rows as bars of characters.

Each character has one of plain ASCII that means the same (`lab2/foreign_text.py`), for terminals without UTF-8.
"""

from __future__ import annotations

import pandas as pd

from lab2.report.axes import Axis, accuracy_axis, apart

LOW, BETWEEN, MIDDLE, HIGH, BEFORE, BEHIND = "├─●┤◂▸"
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
    for place, words in apart(axis, 2.0, 1.0).ticks:  # between two texts are a space and a sign of per cent
        text = f"{words}%"
        start = min(max(0, round(place) - len(text) // 2), width - len(text))
        if start >= 0 and not "".join(drawn[max(0, start - 1) : start + len(text) + 1]).strip():
            drawn[start : start + len(text)] = text
    return "".join(drawn).rstrip()
