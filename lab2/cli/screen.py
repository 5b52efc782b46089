"""Output for a person: lines, live views, the table."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.live import Live
from rich.style import Style
from rich.table import Table
from rich.text import Text

from lab2.foreign_text import for_terminal

if TYPE_CHECKING:  # this module is loaded by every command, and most print no run
    from pathlib import Path

    from lab2.launch.status import RunStatus, TrialStatus
    from lab2.report.chapter import Chapter
    from lab2.report.report import Report
    from lab2.results.collect import Comparison
    from lab2.results.run_dir import RunDir
    from lab2.results.shard import Status
    from lab2.spec.job import Trial
    from lab2.spec.plan import Plan
    from lab2.trace import Trace

Align = Literal["left", "right"]

out = Console(highlight=False, emoji=False)
err = Console(stderr=True, highlight=False, emoji=False)
_ANY_WIDTH = 100_000  # columns of a pipe, where nobody says how many: no table is as wide


def say(text: str, style: str = "") -> None:
    """Print to standard output. Control characters in the text are shown as escapes: it may come from anybody."""
    out.print(for_terminal(text), style=style, markup=False, soft_wrap=True)


def warn(text: str, style: str = "yellow") -> None:
    """Print to standard error, with the same escapes."""
    err.print(for_terminal(text), style=style, markup=False, soft_wrap=True)


def paragraph(text: str, style: str | Style = "", console: Console = out) -> None:
    """A sentence or more, with the same escapes: wrapped between words on a terminal, and one line in a pipe.

    A word that is longer than a line (a path) is left whole, for whoever copies it. What is to be copied with its
    spaces, as a command, is for `say` and `warn`.
    """
    escaped = for_terminal(text)
    lines = escaped.split("\n")
    wrapped = "\n".join(_wrapped(line, console.width) for line in lines) if console.is_terminal else escaped
    console.print(wrapped, style=style, markup=False, soft_wrap=True)


def _wrapped(line: str, width: int) -> str:
    """The words of a line in lines of `width` cells: a character of Chinese takes two.

    rich breaks a word that is longer than a line, or wraps nothing.
    """
    filled, room = "", width
    for word in re.findall(r" *[^ ]+", line):
        fits = not filled or cell_len(word) <= room
        piece = word if fits else word.lstrip(" ")
        filled += piece if fits else f"\n{piece}"
        room = (room if fits else width) - cell_len(piece)
    return filled


def note(text: str, style: str = "yellow") -> None:
    """A paragraph on standard error."""
    paragraph(text, style, err)


def table_width() -> int:
    """How wide a table may be: as the terminal; in a pipe as $COLUMNS says, and else as the table likes."""
    if out.is_terminal:
        return out.width
    wished = os.environ.get("COLUMNS", "")
    return int(wished) if wished.isdecimal() and int(wished) > 0 else _ANY_WIDTH


def show(table: RenderableType) -> None:
    """Print a table for which there are `table_width` columns."""
    (out if out.is_terminal else Console(highlight=False, emoji=False, width=table_width())).print(table)


def show_rows(columns: Sequence[tuple[str, Align]], rows: Iterable[Sequence[str]]) -> None:
    """A table of text, by titles with their alignment; none where there are no rows. What does not fit is folded."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for title, align in columns:
        table.add_column(title, justify=align, overflow="fold")
    for row in rows:
        table.add_row(*(Text(for_terminal(cell)) for cell in row))
    if table.row_count:
        show(table)


class _Visible(logging.Formatter):
    """A log record with its traceback, with the same escapes: it may hold messages of a user's network."""

    def format(self, record: logging.LogRecord) -> str:
        return for_terminal(super().format(record))


def show_log() -> None:
    """Send lab2's log and the warnings of other libraries to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Visible("%(asctime)s %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    logging.getLogger("lab2").setLevel(logging.INFO)


def pass_on(text: str) -> None:
    """A piece of a log for standard output: its lines and tabs, and nothing that would repaint the terminal."""
    out.file.write(for_terminal(text))  # rich would make spaces of tabs
    out.file.flush()


def gather(run: RunDir) -> tuple[Comparison, RunStatus]:
    """The collected shards of a run, and the status of its trials without a shard."""
    from lab2.launch.status import RunStatus, status
    from lab2.results.collect import collect

    unreported = RunStatus([])

    def explain_missing(plan: Plan, trials: Sequence[Trial]) -> dict[str, tuple[Status, str]]:
        nonlocal unreported
        unreported = status(run, plan, trials)
        return unreported.explain_missing()

    return collect(run, explain_missing), unreported


def show_table(
    run: RunDir,
    gathered: tuple[Comparison, RunStatus] | None = None,
    *,
    quiet: bool = False,
    figures: bool = False,
    chapters: tuple[Chapter, ...] = (),
) -> None:
    """Print the table, unless `quiet`, and write the report. A disk that refuses the report does not stop the table.

    `figures`: also its charts, which need matplotlib. `chapters`: what a study adds to the page.
    """
    from lab2.report.report import make_report
    from lab2.report.writers import write_report

    comparison, unreported = gathered or gather(run)
    report = make_report(run, comparison, chapters)
    if not quiet:
        show_tables(report, run.report / "table.md")
    show_warnings(comparison, unreported, leaks=False)  # leaks stand above the table
    written, refused = write_report(report)
    if figures:
        from lab2.report.figures.kinds import write_all

        drawn, failed = write_all(report)
        written, refused = [*written, *drawn], [*refused, *failed]
    if quiet and refused:  # the files are all that was asked for
        raise refused[0]
    for error in refused:
        note(f"warning: not written: {error.filename}: {error.strerror}")
    if quiet:
        statuses = comparison.statuses
        say(f"{statuses.count('ok')} of {len(statuses)} trials are finished")
    if written:
        paragraph(f"in {run.report}: {', '.join(written)}")


def show_tables(report: Report, complete: Path | None = None) -> None:
    """Print the answer, the table and what is to be known of it. `complete` is a file that has all columns."""
    from lab2.report.caption import caption, failures, remarks
    from lab2.report.terminal import interval_table, terminal_table

    comparison, summary = report.comparison, report.summary
    for leak in comparison.leaks:
        note(leak, "bold red")
    _show_answer(report)
    width = table_width()
    table, left_out = terminal_table(summary, width)
    show(table)
    if intervals := interval_table(summary, width):
        show(intervals)
    if left_out:
        paragraph(f"no room for: {', '.join(left_out)}" + (f"; {complete} has all" if complete else ""), "dim")
    paragraph(caption(comparison), "dim")
    for text in failures(summary):
        paragraph(text, "red")
    for text in remarks(summary):
        note(f"note: {text}")
    for text in report.notes:
        note(f"note: {text}")


def show_warnings(comparison: Comparison, unreported: RunStatus, *, leaks: bool = True) -> None:
    """Print what is wrong with the data, the files of the run, or what Slurm says of it."""
    for leak in comparison.leaks if leaks else ():
        note(leak, "bold red")
    for warning in (*comparison.warnings, *([unreported.caveat] if unreported.caveat else [])):
        note(f"warning: {warning}")


def _show_answer(report: Report) -> None:
    """Print what is shown of the rows, a paragraph a sentence, and the caveats above it."""
    from lab2.report.answer import answer, caveats

    if sentences := answer(report.finding):
        for text in (*caveats(report.summary), *sentences):
            paragraph(text)


def show_trace(trace: Trace) -> None:
    """Print where the time goes: the parts of a training, then its costliest operations."""
    table = Table(title=f"{trace.steps} of {trace.total_steps} steps, {1000 * trace.step_seconds:.1f} ms each")
    table.add_column("costliest operations")
    for name in ("ms a step", "share", "calls"):
        table.add_column(name, justify="right")
    for one in trace.operations:
        share = one.seconds_per_step / trace.step_seconds
        table.add_row(
            Text(for_terminal(one.name)),
            f"{1000 * one.seconds_per_step:.2f}",
            f"{share:.1%}",
            f"{one.calls_per_step:.0f}",
        )
    show(table)
    paragraph("of the whole training: " + ", ".join(f"{part} {share:.1%}" for part, share in trace.shares.items()))
    say(f"trace: {trace.file} (chrome://tracing and ui.perfetto.dev show it)")


def show_trials(run: RunDir, lines: Sequence[TrialStatus]) -> None:
    """Print what each trial is doing, with its curve so far."""
    from lab2.report.live import live_table
    from lab2.results.curve_reader import CurveReader

    curves = CurveReader(run).validation(line.trial for line in lines)
    table, *below = live_table(lines, curves, table_width()).renderables
    show(table)
    for text in below:
        paragraph(str(text), text.style if isinstance(text, Text) else "")


def watch(run: RunDir, updates: Iterable[Sequence[TrialStatus]]) -> None:
    """Show status updates of trials of `run`: in a live table, or as plain lines where there is no terminal."""
    from lab2.report.live import PlainLines, listed, live_table
    from lab2.results.curve_reader import CurveReader

    if out.is_terminal:
        curves = CurveReader(run)
        with Live(console=out, refresh_per_second=4) as live:
            for lines in updates:
                names = [line.trial for line in listed(lines, out.height)]  # there is no room for others
                live.update(live_table(lines, curves.validation(names), out.width, out.height))
        return
    plain = PlainLines()
    for lines in updates:
        for text in plain.changes(lines):
            say(text)
