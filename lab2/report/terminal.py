"""The table for a terminal."""

from __future__ import annotations

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from lab2.foreign_text import for_terminal
from lab2.report.columns import ABSENT, ALWAYS, COLUMNS


def terminal_table(summary: pd.DataFrame, width: int) -> tuple[Table, list[str]]:
    """The summary as a table of `width` characters, and the titles of the columns that did not fit.

    Columns are added in the order of their rank while they fit; no column is truncated. A column that is empty in all
    rows is dropped and is not among the titles.
    """
    rows = [row for _, row in summary.iterrows()]
    cells = {column.title: [for_terminal(column.text(row)) for row in rows] for column in COLUMNS}
    filled = [c for c in COLUMNS if c.rank == ALWAYS or any(text != ABSENT for text in cells[c.title])]
    shown: set[str] = set()
    for column in sorted(filled, key=lambda column: column.rank):
        needed = max(map(cell_len, (column.title, *cells[column.title]))) + 3  # the gap between two columns
        if needed <= width or column.rank == ALWAYS:
            width -= needed
            shown.add(column.title)
    title = "SMOKE RUN, not a comparison" if summary["smoke"].any() else None
    table = Table(box=SIMPLE_HEAD, pad_edge=False, title=title)
    titles = [column.title for column in filled if column.title in shown]
    for name in titles:
        table.add_column(name, justify="left" if name in ("model", "weights") else "right", no_wrap=True)
    for number, row in enumerate(rows):
        style = "" if row["status"] == "ok" else "red"
        table.add_row(*(Text(cells[name][number], style=style) for name in titles))
    return table, [column.title for column in filled if column.title not in shown]
