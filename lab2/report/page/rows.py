"""The table: a row a job, with its interval as a bar, and the reasons of rows that failed."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup

from lab2.measure.metrics import METRICS
from lab2.report.axes import accuracy_axis
from lab2.report.columns import ABSENT, ALWAYS, COLUMNS
from lab2.report.page.styles import BASELINE, Style
from lab2.report.page.svg import element, line, mark
from lab2.report.summary import least_error

BAR_WIDTH, BAR_HEIGHT = 132, 16
# Test accuracies that the lab published for MNIST, in [0, 1] (docs/the-lab.md); it has none of its detector.
PUBLISHED = {"cnn": 0.9903, "vgg16": 0.9943, "alexnet": 0.9933, "vit": 0.7587}
ACCURACY = "test accuracy [95 %]"
_VALUES = {
    **{metric.title: metric.name for metric in METRICS if metric.title},
    ACCURACY: "accuracy",
    "parameters": "parameters",
    "FLOPs/image": "flops_per_image",
    "rank": "best_rank",
    "seeds": "seeds",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What is shown, and the number by which its column is sorted; None: by its text."""

    text: str
    value: float | None = None
    bar: Markup | None = None  # its interval as a picture


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    """One job. The cells are in the order of the table's titles, without the first, the job's name."""

    job: str
    style: Style
    status: str
    reason: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PageTable:
    """The whole table."""

    titles: tuple[str, ...]
    numbers: tuple[bool, ...]  # which of the columns are numbers
    rows: tuple[TableRow, ...]
    statuses: tuple[str, ...]  # that occur


def page_table(summary: pd.DataFrame, styles: Mapping[str, Style], comparable: Collection[str]) -> PageTable:
    """Without columns that are empty in all rows; the most accurate row first, those without accuracy last.

    The jobs that are `comparable` were trained on the data of the lab, so its accuracies stand beside theirs.
    """
    ordered = summary.sort_values("accuracy", ascending=False, kind="stable", na_position="last")
    rows = [row for _, row in ordered.iterrows()]
    texts = {column.title: [column.text(row) for row in rows] for column in COLUMNS}
    titles = [
        column.title
        for column in COLUMNS
        if column.title != "model" and (column.rank == ALWAYS or any(text != ABSENT for text in texts[column.title]))
    ]
    bars = _bars(ordered, styles)
    published = _published(rows, comparable)
    found = []
    for number, row in enumerate(rows):
        job = str(row["job"])
        cells = [
            Cell(text=texts[title][number], value=_value(row, title), bar=bars.get(job) if title == ACCURACY else None)
            for title in titles
        ]
        if any(published):
            known = published[number]
            cells.insert(1, Cell(text=ABSENT if known is None else f"{known:.2%}", value=known))
        found.append(
            TableRow(
                job=job, style=styles[job], status=str(row["status"]), reason=str(row["reason"] or ""),
                cells=tuple(cells),
            )
        )  # fmt: skip
    if any(published):
        titles.insert(1, "the lab’s accuracy")
    statuses = tuple(dict.fromkeys(row.status for row in found))
    numbers = tuple(any(row.cells[place].value is not None for row in found) for place in range(len(titles)))
    return PageTable(titles=tuple(titles), numbers=numbers, rows=tuple(found), statuses=statuses)


def _published(rows: list[pd.Series], comparable: Collection[str]) -> list[float | None]:
    return [
        PUBLISHED.get(str(row["architecture"])) if row["job"] in comparable and not row["smoke"] else None
        for row in rows
    ]


def _value(row: pd.Series, title: str) -> float | None:
    name = _VALUES.get(title)
    if name is None or pd.isna(row[name]):
        return None
    value = float(row[name])
    return value if math.isfinite(value) else None


def _bars(summary: pd.DataFrame, styles: Mapping[str, Style]) -> dict[str, Markup]:
    """By job: its interval as a bar. All bars have one scale, that of the rows that were trained."""
    known = summary[summary["accuracy"].notna()]
    trained = known[[styles[str(job)].colour != BASELINE for job in known["job"]]]
    scale = known if trained.empty else trained
    ends = [float(value) for name in ("accuracy_low", "accuracy_high") for value in scale[name]]
    axis = accuracy_axis(ends, 5, BAR_WIDTH - 5, least_error(summary))
    bars: dict[str, Markup] = {}
    size: dict[str, str | int | float] = {
        "viewBox": f"0 0 {BAR_WIDTH} {BAR_HEIGHT}", "class": "interval", "aria-hidden": "true",
    }  # fmt: skip
    middle = BAR_HEIGHT / 2
    columns = known[["job", "accuracy", "accuracy_low", "accuracy_high"]]
    for job, mean, low, high in columns.itertuples(index=False):
        style = styles[str(job)]
        parts = [
            line(0, middle, BAR_WIDTH, middle, "grid"),
            line(axis.at(low), middle, axis.at(high), middle, f"bar {style.colour}"),
            mark(style.shape, axis.at(mean), middle, 4, f"mark {style.colour}"),
        ]
        bars[str(job)] = element("svg", size, Markup("").join(parts))
    return bars
