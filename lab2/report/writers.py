"""The files of a report. `WRITERS` lists them: each writer gets the run, the comparison and its summary."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from lab2.foreign_text import for_csv, for_markdown
from lab2.report.caption import caption, failures, remarks
from lab2.report.columns import COLUMNS
from lab2.results.collect import Comparison
from lab2.results.run_dir import RunDir
from lab2.whole_file import write_whole

Writer = Callable[[RunDir, Comparison, pd.DataFrame], bytes]


def table_csv(_run: RunDir, _comparison: Comparison, summary: pd.DataFrame) -> bytes:
    """A row per job. Text is escaped so that a spreadsheet does not run it as a formula."""
    safe = {
        str(name): [for_csv(value) if isinstance(value, str) else value for value in column]
        for name, column in summary.items()
        if not pd.api.types.is_numeric_dtype(column)
    }
    return summary.assign(**safe).to_csv(index=False).encode()


def table_json(_run: RunDir, _comparison: Comparison, summary: pd.DataFrame) -> bytes:
    """A row per job, as a list of objects."""
    return summary.to_json(orient="records", indent=2, force_ascii=False).encode() + b"\n"


def table_md(_run: RunDir, comparison: Comparison, summary: pd.DataFrame) -> bytes:
    """The table as Markdown, with its caption above and the failures, remarks and warnings below."""
    return markdown(comparison, summary).encode()


def trials_csv(_run: RunDir, comparison: Comparison, _summary: pd.DataFrame) -> bytes:
    """A row per trial, with every field of its shard."""
    return comparison.csv()


WRITERS: dict[str, Writer] = {
    "table.csv": table_csv,
    "table.json": table_json,
    "table.md": table_md,
    "trials.csv": trials_csv,
}


def write_report(run: RunDir, comparison: Comparison, summary: pd.DataFrame) -> tuple[list[str], list[OSError]]:
    """Write every file; returns the names of the files that were written, and the errors of the others."""
    written: list[str] = []
    refused: list[OSError] = []
    try:
        run.report.mkdir(exist_ok=True)
    except OSError as error:
        return written, [error]
    for name, writer in WRITERS.items():
        try:
            write_whole(run.report / name, writer(run, comparison, summary))
            written.append(name)
        except OSError as error:  # go on with the other files
            refused.append(error)
    return written, refused


def markdown(comparison: Comparison, summary: pd.DataFrame) -> str:
    """The table as Markdown, with its caption above and the failures, remarks and warnings below.

    `summary` must be the summary of `comparison`.
    """
    lines = [
        "| " + " | ".join(c.title for c in COLUMNS) + " |",
        "|" + "---|" * len(COLUMNS),
        *("| " + " | ".join(for_markdown(c.text(row)) for c in COLUMNS) + " |" for _, row in summary.iterrows()),
    ]
    notes = [f"- {for_markdown(text)}" for text in (*failures(summary), *remarks(summary), *comparison.warnings)]
    above = [f"**{for_markdown(leak)}**\n" for leak in comparison.leaks]
    above += [for_markdown(line) for line in caption(comparison).splitlines()]
    return "\n".join([*above, "", *lines, "", *notes]).rstrip() + "\n"
