"""One page over several runs: the rows that can be put beside each other, group by group, and which those are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lab2.compare.looks import Look
from lab2.more.standing import last_look
from lab2.report.answer import answer, caveats
from lab2.report.caption import failures, remarks
from lab2.report.chapter import Chapter, Table
from lab2.report.columns import ABSENT, ALWAYS, COLUMNS
from lab2.report.curves import IMAGES_SEEN, curves_of, read_histories
from lab2.report.page.page import index_html
from lab2.report.report import Report, make_report
from lab2.report.several import trained_differently
from lab2.report.writers import WRITERS
from lab2.results.correctness import Collected
from lab2.results.merging import Merged, MergedGroup, merge
from lab2.whole_file import write_files


@dataclass(frozen=True, slots=True, eq=False)
class MergedReport:
    """All that is said of several runs."""

    merged: Merged
    reports: tuple[Report, ...]  # of each group
    differences: tuple[tuple[str, ...], ...]  # of each group: what its runs gave their trainings, and was not the same
    commands: Mapping[str, str]  # by run, what was typed to start it; empty: not known
    planned: tuple[Mapping[tuple[str, str], Look], ...]  # of each group: the looks at pairs of its rows

    @property
    def apart(self) -> list[str]:
        """Why not all rows stand in one table; empty where they do."""
        groups = self.merged.groups
        if len(groups) < 2:
            return []
        each = "; ".join(f"{one.title}: {', '.join(one.runs)}" for one in groups)
        return [
            f"These were not tested on the same images, so no number of one is compared with one of another: {each}."
        ]


def merged_report(runs: Mapping[str, Collected], command: str = "") -> MergedReport:
    """The report of several runs, by their names. Raises `Lab2Error` as the reports of the runs do."""
    merged = merge(runs, command)
    planned = tuple(_planned(group, runs) for group in merged.groups)
    reports = tuple(
        make_report(one.run, one.comparison, planned=looks) for one, looks in zip(merged.groups, planned, strict=True)
    )
    differences = tuple(tuple(trained_differently([runs[name] for name in one.runs])) for one in merged.groups)
    commands = {name: one.comparison.plan.command for name, one in runs.items()}
    return MergedReport(merged=merged, reports=reports, differences=differences, commands=commands, planned=planned)


def _planned(group: MergedGroup, runs: Mapping[str, Collected]) -> dict[tuple[str, str], Look]:
    """The last looks at pairs of the group's rows, by their names here."""
    found = {}
    for run_name in group.runs:
        last = last_look(runs[run_name].run, runs[run_name].comparison)
        rows = {job: name for name, job, of in group.rows if run_name in of}
        if last and last.complete and rows.keys() >= set(last.planned.decide):
            first, second = last.planned.decide
            found[rows[first], rows[second]] = last.planned.look(last.complete)
    return found


def write_merged(found: MergedReport, folder: Path) -> tuple[list[str], list[OSError]]:
    """Write the page, and of each group the other files of a report, in a numbered folder where there are several.

    Returns the names of the files that were written, and the errors of the others.
    """
    written, refused = write_files(folder, [("index.html", merged_html(found))])
    for number, report in enumerate(found.reports, 1):
        within = f"{number}/" if len(found.reports) > 1 else ""
        files = ((name, writer(report)) for name, writer in WRITERS.items() if name != "index.html")
        names, errors = write_files(folder / within, files)
        written += [within + name for name in names]
        refused += errors
    return written, refused


def merged_html(found: MergedReport) -> bytes:
    """The page. Its table, charts and pairs are those of the group with most rows; each other has a section."""
    first, *others = found.reports
    more = [
        _of_group(number, group, report, differences)
        for number, (group, report, differences) in enumerate(
            zip(found.merged.groups[1:], others, found.differences[1:], strict=True), 2
        )
    ]
    return index_html(make_report(first.run, first.comparison, (_runs(found), *more), found.planned[0]))


def _runs(found: MergedReport) -> Chapter:
    """Which runs there are, which rows of the page are theirs, and what was counted once."""
    groups = found.merged.groups
    several = len(groups) > 1
    rows = [(name, job, ", ".join(runs), group.title) for group in groups for name, job, runs in group.rows]
    tables = [Table(title="Rows", columns=("row", "job", "runs", "tested on"), rows=tuple(rows))]
    commands = tuple((name, command or ABSENT) for name, command in found.commands.items())
    tables.append(Table(title="The commands that started the runs", columns=("run", "command"), rows=commands))
    if several:
        tables.insert(0, _across(found))
    lead = [
        f"{group.title}: {sentences[0]}"
        for group, report in zip(groups, found.reports, strict=True)
        if (sentences := [*caveats(report.summary), *answer(report.finding)])
    ]
    return Chapter(
        name="runs",
        title="Runs",
        headline=f"{len(groups)} groups of rows, each tested on images of its own" if several else "",
        lead=tuple([*lead, *found.apart] if several else []),
        tables=tuple(tables),
        notes=(*found.merged.notes, *found.differences[0]),
    )


def _across(found: MergedReport) -> Table:
    """The test accuracy of each job in each group. Rows that share a letter within a column are not shown to differ."""
    groups = found.merged.groups
    cells: dict[str, dict[int, list[str]]] = {}
    for number, (group, report) in enumerate(zip(groups, found.reports, strict=True)):
        jobs = {name: job for name, job, _ in group.rows}
        for _, row in report.summary.iterrows():
            job = jobs[str(row["job"])]
            named = "" if row["job"] == job else f" ({row['job']})"
            cells.setdefault(job, {}).setdefault(number, []).append(_accuracy(row) + named)
    rows = [(job, *("; ".join(of.get(number, [ABSENT])) for number in range(len(groups)))) for job, of in cells.items()]
    return Table(
        title="Test accuracy, and the letters of its group in that column",
        columns=("job", *(group.title for group in groups)),
        rows=tuple(rows),
    )


def _accuracy(row: pd.Series) -> str:
    if pd.isna(row["accuracy"]):
        return str(row["status"])
    return f"{row['accuracy']:.2%}" + ("" if pd.isna(row["letters"]) else f" {row['letters']}")


def _of_group(number: int, group: MergedGroup, report: Report, differences: Sequence[str]) -> Chapter:
    """A further group: its answer, its table and its curves."""
    rows = [row for _, row in report.summary.iterrows()]
    shown = [c for c in COLUMNS if c.rank == ALWAYS or any(c.text(row) != ABSENT for row in rows)]
    table = Table(
        title="The table",
        columns=tuple(column.title for column in shown),
        rows=tuple(tuple(column.text(row) for column in shown) for row in rows),
    )
    notes = (*failures(report.summary), *remarks(report.summary), *report.notes, *report.comparison.warnings)
    return Chapter(
        name=f"group-{number}",
        title=group.title,
        lead=(*report.comparison.leaks, *caveats(report.summary), *answer(report.finding)),
        tables=(table,),
        curves=tuple(curves_of(read_histories(report))),
        x=IMAGES_SEEN,
        jobs=tuple({trial.job.name: trial.job for trial in report.comparison.plan.trials}.values()),
        notes=(*notes, *differences),
    )
