"""A curve as a line of characters, each of which has one of ASCII that means the same (`lab2/foreign_text.py`)."""

from __future__ import annotations

from collections.abc import Sequence

STEPS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], low: float, high: float, width: int) -> str:
    """A character a value, its height between `low` and `high`; of more than `width` values as many, evenly chosen.

    The last value is always drawn.
    """
    if len(values) > width:
        last = len(values) - 1
        values = [values[round(number * last / (width - 1))] for number in range(width)] if width > 1 else values[-1:]
    span = (high - low) or 1.0
    return "".join(STEPS[min(len(STEPS) - 1, max(0, int((value - low) / span * len(STEPS))))] for value in values)
