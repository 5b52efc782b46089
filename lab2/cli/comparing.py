"""The command that compares two runs: what changed, and whether it got worse."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab2.cli import completion
from lab2.cli.command import command
from lab2.cli.options import DEFAULT_RUNS, Runs
from lab2.cli.screen import gather, note, paragraph, say, show_rows, show_warnings, warn
from lab2.errors import RunError
from lab2.foreign_text import one_line
from lab2.launch.status import RunStatus
from lab2.more.standing import last_look
from lab2.results.run_dir import RunDir, open_run
from lab2.spec.plan import check_margin
from lab2.whole_file import write_whole

if TYPE_CHECKING:
    from lab2.report.changes import Changes
    from lab2.results.collect import Comparison

app = typer.Typer()

EXIT_CODES = {"not worse": 0, "worse": 1, "not decided": 2, "nothing in common": 3}


@command(app, example="lab2 compare 20261123-150612-mnist latest --margin 0.2")
def compare(
    run_a: Annotated[
        str,
        typer.Argument(
            metavar="RUN_A", help="What was before: its id, or a path to its folder.", autocompletion=completion.run
        ),
    ],
    run_b: Annotated[
        str,
        typer.Argument(metavar="RUN_B", help="What came after, likewise.", autocompletion=completion.run),
    ] = "latest",
    margin: Annotated[
        float | None,
        typer.Option(
            "--margin",
            metavar="POINTS",
            callback=check_margin,
            help="Points of accuracy (0.2): a loss that is shown to be smaller passes. "
            "Default: the smaller one that the two plans state, else 0.25.",
        ),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write verdicts and figures to this file.")
    ] = None,
    runs: Runs = DEFAULT_RUNS,
) -> None:
    """Show what changed from one run to another.

    Exit code 0: not worse by more than the margin. 1: worse. 2: not decided, or a mistake. 3: nothing in common.
    """
    from lab2.report.change_file import changes_json  # loads scipy
    from lab2.report.changes import find_changes
    from lab2.results.two_runs import Side

    both = [opened(runs, text) for text in (run_a, run_b)]
    if both[0].path == both[1].path:
        raise RunError(f"{run_a}, {run_b}: both are the run {both[0].path}; name two runs")
    gathered = [tested(run) for run in both]
    before, after = (
        Side(name=one_line(name), run=run, comparison=found)
        for name, run, (found, _) in zip(names_of(both), both, gathered, strict=True)
    )
    changes = find_changes(before, after, margin)
    _show(changes)
    for found, unreported in gathered:
        show_warnings(found, unreported)
    code = EXIT_CODES[changes.verdict]
    if file is not None:
        try:
            write_whole(file, changes_json(changes))
        except OSError as error:
            warn(f"lab2: not written: {file}: {error.strerror}", "red")
            raise typer.Exit(code or 2) from None
        say(f"in {file}")
    raise typer.Exit(code)


def opened(runs: Path, text: str) -> RunDir:
    """The run of that id, or in the folder of that path. Raises `RunError` where there is none."""
    path = Path(text)
    return open_run(path.parent, path.name) if "/" in text and path.name else open_run(runs, text)


def names_of(runs: Sequence[RunDir]) -> list[str]:
    """The ids of the runs; their paths where the ids are the same."""
    ids = [run.path.name for run in runs]
    return ids if len(set(ids)) == len(ids) else [str(run.path) for run in runs]


def tested(run: RunDir) -> tuple[Comparison, RunStatus]:
    """The collected run, of a study its chosen recipes. Raises `RunError` where these are not trained yet."""
    comparison, unreported = gather(run)
    if (found := comparison.tested()) is None:
        raise RunError(f"{run.path.name}: a study that has chosen no recipe yet; lab2 resume goes on with it")
    if last := last_look(run, found):
        names = " and ".join(last.planned.decide)
        note(
            f"note: {run.path.name}: seeds of {names} were added in planned looks, so their number depended on "
            "results; the error of this comparison is not exactly 5 % for them"
        )
        found = last.comparison
    return found, unreported


def _show(changes: Changes) -> None:
    """Print the verdict first, then what it is of."""
    from lab2.report.answer import points
    from lab2.report.change_text import caveats, cost_cells, difference_cells, headline, job_cells, job_sentences

    paragraph(headline(changes), "red" if changes.verdict == "worse" else "")
    before, after = changes.before.name, changes.after.name
    stated = f"{points(changes.margin)} ({changes.margin_from})"
    paragraph(f"before: {before}; after: {after}; margin: {stated}")
    for text in caveats(changes):
        paragraph(text)
    _table(("model", "verdict", "before", "after", "points [95 %]"), [job_cells(job) for job in changes.jobs])
    for job in changes.jobs:
        for text in job_sentences(job, changes):
            paragraph(text)
    _table(("model", "cost", "before", "after", "ratio"), cost_cells(changes))
    _table(("what differs", "model", "before", "after"), difference_cells(changes))
    notes = {f"{job.name}: {said}": None for job in changes.jobs for said in job.notes}
    for text in notes:
        note(f"note: {text}")


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    show_rows([(title, "left" if number < 2 else "right") for number, title in enumerate(titles)], rows)
