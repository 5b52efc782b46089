"""The rows of several runs as one table: only where they were tested on the same images of the same data."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import pandas as pd

from lab2.errors import ComparisonError
from lab2.report.finding import Finding, find
from lab2.report.intervals import accuracy_intervals
from lab2.report.summary import summarise
from lab2.results.correctness import Collected
from lab2.results.shard import MACHINE


def joined(runs: Sequence[Collected]) -> tuple[Finding, pd.DataFrame]:
    """The rows of `runs`, compared, and their table; a row is named by its job, after the run's prefix.

    Raises `ComparisonError` where the runs were not tested on the same images of the same data.
    """
    tested = {one: _tested(one) for one in runs}
    for one in runs[1:]:
        if tested[one] != tested[runs[0]]:
            raise ComparisonError(_differ(runs[0], one, "they were tested on other images or data"))
    finding = find(*runs)
    for one in runs if len(runs) > 1 else ():
        if not finding.rows.keys() & set(one.jobs):
            why = "; ".join(finding.notes) or "none of its trials has ended well"
            raise ComparisonError(_differ(runs[0], one, f"no row of {_name(one)} is compared with the others ({why})"))
    return finding, pd.concat([_summary(one, finding) for one in runs], ignore_index=True)


def trained_differently(runs: Sequence[Collected]) -> Iterator[str]:
    """A sentence for each thing that several runs gave their trainings, and that was not the same."""
    for column, title in (
        ("train_images", "training images"),
        ("budget", "budget"),
        ("lab2_version", "version of lab2"),
    ):
        found = {_name(one): _values(one, column) for one in runs}
        if len(set(found.values())) > 1:
            yield f"the runs differ in their {title}: " + "; ".join(
                f"{name}: {', '.join(values) or 'none'}" for name, values in found.items()
            )


def machines(summary: pd.DataFrame, names: Collection[str]) -> dict[str, list[str]]:
    """By machine and precision, as text, those of the rows `names` whose times and memory it measured."""
    found: dict[str, list[str]] = {}
    for _, row in summary.iterrows():
        if row["job"] in names and row["seeds"] and not row["imported"]:
            name, device, threads, precision = ("unknown" if pd.isna(row[one]) else row[one] for one in MACHINE)
            where = f"{name} ({device}, {threads} threads, {precision})"
            found.setdefault(where, []).append(str(row["job"]))
    return found


def _summary(one: Collected, finding: Finding) -> pd.DataFrame:
    of_all = accuracy_intervals(finding.read)
    rows = {name.removeprefix(one.prefix): row for name, row in finding.rows.items() if name in one.jobs}
    accuracies = {name.removeprefix(one.prefix): found for name, found in of_all.items() if name in one.jobs}
    table = summarise(one.comparison, rows, accuracies=accuracies)
    return table.assign(job=one.prefix + table["job"])


def _tested(one: Collected) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The data sets, by their SHA-256, and the numbers of test images of the finished trials."""
    return _values(one, "dataset_sha256"), _values(one, "test_images")


def _values(one: Collected, column: str) -> tuple[str, ...]:
    frame = one.comparison.frame
    return tuple(sorted(map(str, frame.loc[frame["status"] == "ok", column].dropna().unique().tolist())))


def _name(one: Collected) -> str:
    return one.run.path.name


def _differ(first: Collected, other: Collected, why: str) -> str:
    each = []
    for one in (first, other):
        images = " or ".join(f"{int(count):,}" for count in _values(one, "test_images")) or "no"
        digests = ", ".join(digest[:12] for digest in _values(one, "dataset_sha256")) or "unknown"
        names = ", ".join(_values(one, "dataset")) or "no data"
        each.append(f"{_name(one)}: {images} test images of {names} (SHA-256 {digests})")
    return (
        f"{_name(first)} and {_name(other)} cannot be compared in one table: {why}. Found {'; '.join(each)}; wanted "
        "the same test images of the same data; ask for each run alone"
    )
