"""The command that puts several runs on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lab2.cli import completion
from lab2.cli.command import command
from lab2.cli.comparing import names_of, opened, tested
from lab2.cli.launching import typed
from lab2.cli.options import DEFAULT_RUNS, Runs
from lab2.cli.screen import note, paragraph, say, show_tables, show_warnings
from lab2.errors import RunError
from lab2.foreign_text import one_line

app = typer.Typer()


@command(app, example="lab2 merge 20261123-150612-mnist 20261124-091500-cifar10 --out both")
def merge(
    run_ids: Annotated[
        list[str],
        typer.Argument(metavar="RUNS", help="Ids, or paths to their folders.", autocompletion=completion.run),
    ],
    folder: Annotated[
        Path, typer.Option("--out", metavar="PLACE", help="For the page, and the tables as files.")
    ] = Path("merged"),
    runs: Runs = DEFAULT_RUNS,
) -> None:
    """Put several runs on one page: data sets, machines, before and after.

    Rows stand in one table only if they were tested on the same images; equal trials count once.
    """
    from lab2.report.merged import merged_report, write_merged  # loads scipy
    from lab2.results.correctness import Collected

    found = [opened(runs, text) for text in run_ids]
    if len({run.path for run in found}) < len(found):
        raise RunError(f"{', '.join(run_ids)}: one run is named twice; name each once")
    if len(found) < 2:
        raise RunError(f"{run_ids[0]}: wanted two runs or more; lab2 report makes the page of one")
    collected = {}
    for name, run in zip(names_of(found), found, strict=True):
        comparison, unreported = tested(run)
        show_warnings(comparison, unreported)
        collected[one_line(name)] = Collected(run=run, comparison=comparison)
    report = merged_report(collected, typed())
    for group, one in zip(report.merged.groups, report.reports, strict=True):
        say(f"{group.title}: {', '.join(group.runs)}", "bold")
        show_tables(one)
    for text in report.apart:
        paragraph(text)
    for text in dict.fromkeys([*report.merged.notes, *(one for each in report.differences for one in each)]):
        note(f"note: {text}")
    written, refused = write_merged(report, folder.absolute())
    if refused:
        raise refused[0]
    paragraph(f"in {folder}: {', '.join(written)}")
