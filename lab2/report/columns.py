"""The columns of the comparison table, and how a row is written under each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from lab2.measure.metrics import METRICS, Metric, amount

ABSENT = "–"
CHANCE = " †"  # beside an accuracy: not shown to be better than naming the commonest class
ALWAYS = 0  # rank of the columns that any terminal shows


@dataclass(frozen=True, slots=True)
class Column:
    """A heading, and how a row of the summary is written under it."""

    title: str
    text: Callable[[pd.Series], str]
    rank: int  # tables show the lowest first, and a narrow terminal gives up the highest


def _accuracy(row: pd.Series) -> str:
    if pd.isna(row["accuracy"]):
        return ABSENT
    interval = f"[{100 * row['accuracy_low']:.2f}, {100 * row['accuracy_high']:.2f}]"
    return f"{row['accuracy']:.2%} {interval}{CHANCE * bool(row['at_chance'])}"


def _parameters(row: pd.Series) -> str:
    """All, and how many the optimiser moved where that is fewer than may move."""
    if pd.isna(row["parameters"]):
        return ABSENT
    trained = row["trained_parameters"]
    fewer = not pd.isna(trained) and trained != row["trainable_parameters"]
    return amount(row["parameters"]) + (f" ({amount(trained)} trained)" if fewer else "")


def _flops(row: pd.Series) -> str:
    """At least so many, where something that ran is not counted."""
    if pd.isna(row["flops_per_image"]):
        return ABSENT
    whole = pd.isna(row["flops_uncounted"]) or not row["flops_uncounted"]
    return f"{'' if whole else '≥ '}{amount(row['flops_per_image'])}"


def _precision(row: pd.Series) -> str:
    return ABSENT if pd.isna(row["precision"]) else str(row["precision"])


def _weights(row: pd.Series) -> str:
    """By their kind: the caption says from where."""
    return ", ".join(origin.partition(" ")[0] for origin in row["weights"].split(", ")) or ABSENT


def _of(metric: Metric) -> Column:
    def text(row: pd.Series) -> str:
        return ABSENT if pd.isna(row[metric.name]) else metric.text(row[metric.name])

    return Column(metric.title, text, metric.rank)


_BESIDE_METRICS = (
    Column("model", lambda row: str(row["job"]), ALWAYS),
    Column("test accuracy [95 %]", _accuracy, ALWAYS),
    Column("status", lambda row: str(row["status"]), ALWAYS),
    Column("parameters", _parameters, 2),
    Column("seeds", lambda row: f"{row['seeds']} of {row['seeds_expected']}", 3),
    Column("precision", _precision, 6),
    Column("FLOPs/image", _flops, 8),
    Column("weights", _weights, 10),
)
COLUMNS = sorted(
    (*_BESIDE_METRICS, *(_of(metric) for metric in METRICS if metric.title)), key=lambda column: column.rank
)
