"""The columns of the comparison table: their titles, and how a row's values are formatted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from lab2.measure.metrics import METRICS, Metric, amount
from lab2.report.costs import is_partly_counted
from lab2.spec.effort import NOT_RECORDED

ABSENT = "–"
CHANCE = " †"  # marks an accuracy that is not shown to be better than always naming the most frequent class
ALWAYS = 0  # rank of the columns that a terminal of any width shows


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its title, and how it formats a row of the summary."""

    title: str
    text: Callable[[pd.Series], str]
    rank: int  # the column's position, lowest first; a narrow terminal drops the highest ranks


def _accuracy(row: pd.Series) -> str:
    if pd.isna(row["accuracy"]):
        return ABSENT
    interval = f"[{100 * row['accuracy_low']:.2f}, {100 * row['accuracy_high']:.2f}]"
    return f"{row['accuracy']:.2%} {interval}{CHANCE * bool(row['at_chance'])}"


def _parameters(row: pd.Series) -> str:
    """The number of parameters; in brackets the trained ones, if they are not all of the trainable ones."""
    if pd.isna(row["parameters"]):
        return ABSENT
    trained = row["trained_parameters"]
    fewer = not pd.isna(trained) and trained != row["trainable_parameters"]
    return amount(row["parameters"]) + (f" ({amount(trained)} trained)" if fewer else "")


def _flops(row: pd.Series) -> str:
    """The FLOPs, marked as a lower bound where some operations were not counted."""
    if pd.isna(row["flops_per_image"]):
        return ABSENT
    return "≥ " * is_partly_counted(row) + amount(row["flops_per_image"])


def _precision(row: pd.Series) -> str:
    return ABSENT if pd.isna(row["precision"]) else str(row["precision"])


def _weights(row: pd.Series) -> str:
    """The kind of weights, without their origin: the caption names it."""
    return ", ".join(origin.partition(" ")[0] for origin in row["weights"].split(", ")) or ABSENT


def _status(row: pd.Series) -> str:
    """The status; of an imported row that it is one, for `ok` promises more than is known of it."""
    return "imported" if row["imported"] and row["status"] == "ok" else str(row["status"])


def _group(row: pd.Series) -> str:
    """The letters of a row: rows that share one are not shown to differ."""
    return ABSENT if pd.isna(row["letters"]) else str(row["letters"])


def _rank(row: pd.Series) -> str:
    """The places that a row may have."""
    if pd.isna(row["best_rank"]):
        return ABSENT
    best, worst = row["best_rank"], row["worst_rank"]
    return f"{best}" if best == worst else f"{best}–{worst}"


def _effort(row: pd.Series) -> str:
    return ABSENT if pd.isna(row["effort"]) or row["effort"] == NOT_RECORDED else str(row["effort"])


def _metric_column(metric: Metric) -> Column:
    def text(row: pd.Series) -> str:
        return ABSENT if pd.isna(row[metric.name]) else metric.text(row[metric.name])

    return Column(metric.title, text, metric.rank)


_OTHER_COLUMNS = (
    Column("model", lambda row: str(row["job"]), ALWAYS),
    Column("test accuracy [95 %]", _accuracy, ALWAYS),
    Column("status", _status, ALWAYS),
    Column("group", _group, 1),
    Column("parameters", _parameters, 2),
    Column("seeds", lambda row: f"{row['seeds']} of {row['seeds_expected']}", 3),
    Column("rank", _rank, 4),
    Column("precision", _precision, 6),
    Column("FLOPs/image", _flops, 8),
    Column("effort", _effort, 9),
    Column("weights", _weights, 10),
)
COLUMNS = sorted(
    (*_OTHER_COLUMNS, *(_metric_column(metric) for metric in METRICS if metric.title)), key=lambda column: column.rank
)
