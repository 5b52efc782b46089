"""The command that draws one chart of a report alone, for a paper or a slide."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab2.cli import completion
from lab2.cli.command import command
from lab2.cli.options import DEFAULT_RUNS, RunId, Runs
from lab2.cli.reporting import report_of
from lab2.cli.screen import gather, paragraph, show_warnings
from lab2.errors import ConfigError
from lab2.results.run_dir import RunDir, open_run

if TYPE_CHECKING:
    from lab2.report.figures.kinds import Asked
    from lab2.report.report import Report

app = typer.Typer()


@command(app, example="lab2 plot cost latest --cost latency --size slide --format pdf")
def plot(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="cost, intervals, differences, curves, target, tuning, confusion, calibration.",
            autocompletion=completion.figure,
        ),
    ],
    run_id: RunId = "latest",
    rows: Annotated[str | None, typer.Option("--rows", metavar="JOBS", help="The rows to show (cnn,vit).")] = None,
    cost: Annotated[
        str | None,
        typer.Option("--cost", metavar="COST", help="For cost: time, parameters, memory, latency or flops; else each."),
    ] = None,
    linear: Annotated[bool, typer.Option("--linear", help="For cost: a linear axis, not a logarithmic one.")] = False,
    target: Annotated[
        float | None,
        typer.Option(
            "--target", metavar="PERCENT", help="For target: the validation accuracy (99); else one that half reach."
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option("--size", metavar="SIZE", help="column (3.3 in wide) or slide (13.3 x 7.5 in). Else both."),
    ] = None,
    form: Annotated[
        str | None, typer.Option("--format", metavar="FORMAT", help="svg, pdf or png. Else all three.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="PLACE", help="Where to write. Default: report/figures/ in the run."),
    ] = None,
    runs: Runs = DEFAULT_RUNS,
) -> None:
    """Draw a chart of a report alone, for a paper or a slide."""
    from lab2.report.figures.drawing import files_of, require_matplotlib  # loads pandas
    from lab2.report.figures.kinds import FOLDER, KINDS, draw
    from lab2.whole_file import write_files

    asked = _asked(kind, rows, cost, linear, target, size, form)
    require_matplotlib()
    run = open_run(runs, run_id)
    drawings = draw(_report(run), [kind], asked)
    if not drawings:
        raise ConfigError(f"{run.path.name}: there is nothing to draw as {kind}: {KINDS[kind].absent}")
    folder = out or run.report / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for one in drawings:
        paragraph(one.conclusion)
    written, refused = write_files(folder, files_of(drawings, asked.sizes, asked.formats))
    if refused:
        raise refused[0]
    paragraph(f"in {folder}: {', '.join(written)}")


def _asked(
    kind: str,
    rows: str | None,
    cost: str | None,
    linear: bool,
    target: float | None,
    size: str | None,
    form: str | None,
) -> Asked:
    """What the options mean. Raises `ConfigError` for a word that there is not."""
    from lab2.report.figures.drawing import FORMATS, SIZES
    from lab2.report.figures.kinds import COST_WORDS, KINDS, Asked

    if kind not in KINDS:
        raise ConfigError(f"lab2 plot {kind}: wanted {', '.join(KINDS)}")
    if kind != "cost" and (cost or linear):
        raise ConfigError(f"lab2 plot {kind}: {'--cost' if cost else '--linear'} is for cost; leave it out")
    if kind != "target" and target is not None:
        raise ConfigError(f"lab2 plot {kind}: --target is for target; leave it out")
    if target is not None and not 0 < target <= 100:
        raise ConfigError(f"--target {target:g}: wanted per cent of validation images, above 0 and up to 100 (99)")
    if cost not in (None, *COST_WORDS):
        raise ConfigError(f"--cost {cost}: wanted {', '.join(COST_WORDS)}")
    if size not in (None, *(one.name for one in SIZES)):
        raise ConfigError(f"--size {size}: wanted {', '.join(one.name for one in SIZES)}")
    if form not in (None, *FORMATS):
        raise ConfigError(f"--format {form}: wanted {', '.join(FORMATS)}")
    return Asked(
        rows=tuple(word for word in map(str.strip, (rows or "").split(",")) if word),
        costs=(cost,) if cost else COST_WORDS,
        linear=linear,
        target=None if target is None else target / 100,
        sizes=tuple(one for one in SIZES if size in (None, one.name)),
        formats=tuple(one for one in FORMATS if form in (None, one)),
    )


def _report(run: RunDir) -> Report:
    comparison, unreported = gather(run)
    show_warnings(comparison, unreported)
    if comparison.tested() is None:
        raise ConfigError(f"{run.path.name}: the search goes on, so nothing is tested yet; lab2 resume goes on with it")
    return report_of(run, comparison)
