"""The files of a report. `WRITERS` lists them: each writer gets the report."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from lab2.foreign_text import for_csv, for_markdown
from lab2.report.answer import answer, caveats
from lab2.report.caption import caption, failures, remarks
from lab2.report.columns import COLUMNS
from lab2.report.latex import latex
from lab2.report.page.page import index_html
from lab2.report.pairs import pair_table
from lab2.report.report import Report
from lab2.report.sensitivity import doubtful_table
from lab2.whole_file import write_files

Writer = Callable[[Report], bytes]


def table_csv(report: Report) -> bytes:
    """A row per job."""
    return _csv(report.summary)


def table_json(report: Report) -> bytes:
    """A row per job, as a list of objects."""
    return _json(report.summary)


def table_md(report: Report) -> bytes:
    """The table as Markdown."""
    return markdown(report).encode()


def table_tex(report: Report) -> bytes:
    """The table in LaTeX."""
    return latex(report).encode()


def pairs_csv(report: Report) -> bytes:
    """A row per pair of jobs."""
    return _csv(pair_table(report.finding))


def pairs_json(report: Report) -> bytes:
    """A row per pair of jobs, as a list of objects."""
    return _json(pair_table(report.finding), digits=15)


def doubtful_csv(report: Report) -> bytes:
    """A row per test image whose label is doubtful."""
    return _csv(doubtful_table(report.finding, report.doubts))


def trials_csv(report: Report) -> bytes:
    """A row per trial, with every field of its shard."""
    return report.comparison.csv()


def trials_parquet(report: Report) -> bytes:
    """The same as Parquet: each column has its type, and text is not escaped."""
    return report.comparison.parquet()


def _csv(frame: pd.DataFrame) -> bytes:
    """The frame as CSV. Text is escaped so that a spreadsheet does not run it as a formula."""
    safe = {
        str(name): [for_csv(value) if isinstance(value, str) else value for value in column]
        for name, column in frame.items()
        if not pd.api.types.is_numeric_dtype(column)
    }
    return frame.assign(**safe).to_csv(index=False).encode()


def _json(frame: pd.DataFrame, digits: int = 10) -> bytes:
    return frame.to_json(orient="records", indent=2, force_ascii=False, double_precision=digits).encode() + b"\n"


WRITERS: dict[str, Writer] = {
    "table.csv": table_csv,
    "table.json": table_json,
    "table.md": table_md,
    "table.tex": table_tex,
    "pairs.csv": pairs_csv,
    "pairs.json": pairs_json,
    "trials.csv": trials_csv,
    "trials.parquet": trials_parquet,
    "doubtful.csv": doubtful_csv,
    "index.html": index_html,
}


def write_report(report: Report) -> tuple[list[str], list[OSError]]:
    """Write every file; returns the names of the files that were written, and the errors of the others."""
    return write_files(report.run.report, ((name, writer(report)) for name, writer in WRITERS.items()))


def markdown(report: Report) -> str:
    """The table as Markdown: caveats, the answer and the caption above it, failures, remarks and warnings below."""
    comparison, summary = report.comparison, report.summary
    lines = [
        "| " + " | ".join(c.title for c in COLUMNS) + " |",
        "|" + "---|" * len(COLUMNS),
        *("| " + " | ".join(for_markdown(c.text(row)) for c in COLUMNS) + " |" for _, row in summary.iterrows()),
    ]
    below = (*failures(summary), *remarks(summary), *report.notes, *comparison.warnings)
    notes = [f"- {for_markdown(text)}" for text in below]
    above = [f"**{for_markdown(leak)}**\n" for leak in comparison.leaks]
    if sentences := answer(report.finding):
        above += [f"{for_markdown(text)}\n" for text in (*caveats(summary), *sentences)]
    above += [for_markdown(line) for line in caption(comparison).splitlines()]
    return "\n".join([*above, "", *lines, "", *notes]).rstrip() + "\n"
