"""The table for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from lab2.foreign_text import for_terminal
from lab2.report.bars import FEWEST, interval_bars
from lab2.report.columns import ABSENT, ALWAYS, COLUMNS, Column

_GAP = 3  # between two columns
_BEFORE_BAR = 1  # the highest rank of the columns that are more important than the bars of the intervals
_WIDEST, _WIDEST_ALONE = 24, 48  # characters of a bar, in the table and below it
_LEFT = ("model", "weights")  # the titles of the columns that begin at the left


def terminal_table(summary: pd.DataFrame, width: int) -> tuple[Table, list[str]]:
    """The summary as a table of `width` characters, and the titles of the columns that did not fit.

    Columns are added in the order of their rank while they fit; no column is truncated. A column that is empty in all
    rows is dropped and is not among the titles. The last column draws the interval of each row's accuracy; where there
    is no room for it, `interval_table` has it.
    """
    cells = _cells(summary, COLUMNS)
    filled = [c for c in COLUMNS if c.rank == ALWAYS or any(text != ABSENT for text in cells[c.title])]
    bar = _room_for_bar(summary, cells, filled, width)
    width -= bar + _GAP if bar else 0
    shown: set[str] = set()
    for column in sorted(filled, key=lambda column: column.rank):
        needed = _needed(column.title, cells)
        if needed <= width or column.rank == ALWAYS:
            width -= needed
            shown.add(column.title)
    title = "SMOKE RUN, not a comparison" if summary["smoke"].any() else None
    drawn = {title: texts for title, texts in cells.items() if title in shown}
    return _table(summary, drawn, bar, title), [column.title for column in filled if column.title not in shown]


def interval_table(summary: pd.DataFrame, width: int) -> Table | None:
    """The interval of each row's accuracy and its group, in `width` characters, for below a table without room for it.

    The most accurate row comes first. None where the table draws the intervals, or where no row has an accuracy.
    """
    cells = _cells(summary, COLUMNS)
    filled = [c for c in COLUMNS if c.rank == ALWAYS or any(text != ABSENT for text in cells[c.title])]
    if _room_for_bar(summary, cells, filled, width):
        return None
    ordered = summary[summary["accuracy"].notna()].sort_values("accuracy", ascending=False, kind="stable")
    named = _cells(ordered, [column for column in filled if column.title in ("model", "group")])
    room = min(_WIDEST_ALONE, width - sum(_needed(title, named) for title in named) - _GAP)
    return None if ordered.empty or room < FEWEST else _table(ordered, named, room, None)


def _cells(summary: pd.DataFrame, columns: Sequence[Column]) -> dict[str, list[str]]:
    """The text of each row, by the column's title."""
    rows = [row for _, row in summary.iterrows()]
    return {column.title: [for_terminal(column.text(row)) for row in rows] for column in columns}


def _needed(title: str, cells: dict[str, list[str]]) -> int:
    return max(map(cell_len, (title, *cells[title]))) + _GAP


def _room_for_bar(summary: pd.DataFrame, cells: dict[str, list[str]], filled: Sequence[Column], width: int) -> int:
    """The characters of the bars in the table; 0: there is no room, or nothing to draw."""
    whole = sum(_needed(c.title, cells) for c in filled)
    if whole > width:  # some columns are left out anyway
        whole = sum(_needed(c.title, cells) for c in filled if c.rank <= _BEFORE_BAR)
    room = width - whole - _GAP
    return min(_WIDEST, room) if room >= FEWEST and summary["accuracy"].notna().any() else 0


def _table(summary: pd.DataFrame, cells: dict[str, list[str]], bar: int, title: str | None) -> Table:
    """The cells by their titles, and bars of `bar` characters behind them; 0: none."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, title=title)
    for name in cells:
        table.add_column(name, justify="left" if name in _LEFT else "right", no_wrap=True)
    columns = list(cells.values())
    if bar:
        scale, bars = interval_bars(summary, bar)
        table.add_column(scale, no_wrap=True)
        columns.append(bars)
    for status, *texts in zip(summary["status"], *columns, strict=True):
        table.add_row(*(Text(text, style="" if status == "ok" else "red") for text in texts))
    return table
