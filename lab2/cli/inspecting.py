"""`lab2 inspect`, and the same inspection before each launch."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from lab2.cli import completion
from lab2.cli.command import command
from lab2.cli.options import DEFAULT_RUNS, Runs, Settings
from lab2.cli.screen import err, note, paragraph, say, show, warn
from lab2.data.findings import Findings, leaks, remarks, write_findings
from lab2.data.source import Progress
from lab2.foreign_text import for_terminal
from lab2.launch.planning import data_config
from lab2.results.run_dir import RunDir
from lab2.spec.job import Trial

if TYPE_CHECKING:
    from lab2.data.source import Images

app = typer.Typer()

_SHOWN = 40  # classes in the table; of more, the largest and the smallest


@command(app, example="lab2 inspect path/to/pictures --set data.image_side=96")
def inspect(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="What --dataset takes: a name, a folder, a table, Parquet.",
            autocompletion=completion.dataset,
        ),
    ],
    settings: Settings = None,
    runs: Runs = DEFAULT_RUNS,
) -> None:
    """Say what is in a data set and what is wrong with it.

    The exit code is 1 where something should be mended.
    """
    from lab2.data.inspect import inspect as look_into

    config = data_config(data, settings or [])
    with progress_bar() as progress:
        findings, train = look_into(config, progress)
    _show(findings)
    for text in leaks(findings):
        note(text, "bold red")
    for text in remarks(findings):
        note(f"note: {text}")
    folder = runs / "inspected" / (re.sub(r"[^A-Za-z0-9._-]+", "-", Path(data).name) or "data")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        say(f"samples of each class: {', '.join(map(str, _write(folder, 0, findings, train)))}")
    except OSError as error:  # what was found is said all the same
        warn(f"warning: samples of each class: not written: {error.filename or folder}: {error.strerror}")
    if findings.leaked or findings.broken or findings.two_labels:
        raise typer.Exit(1)


def inspected(trials: Sequence[Trial]) -> list[tuple[Findings, Images]]:
    """Inspect the data of `trials`, and print leaks and remarks."""
    from lab2.data.inspect import inspect as look_into

    found = []
    with progress_bar() as progress:
        for config in dict.fromkeys(trial.data.source for trial in trials):
            found.append(look_into(config, progress))
    # The same pictures at another side have mostly the same findings: each is said once.
    for text in dict.fromkeys(text for findings, _ in found for text in leaks(findings)):
        note(text, "bold red")
    for text in dict.fromkeys(text for findings, _ in found for text in remarks(findings)):
        note(f"note: {text}")
    return found


def keep_findings(run: RunDir, found: Sequence[tuple[Findings, Images]]) -> None:
    """Write into `run` what was found in its data, and pages of samples. Raises `OSError` as the disk does."""
    run.data.mkdir(exist_ok=True)
    write_findings(run.findings, [findings for findings, _ in found])
    for number, (findings, train) in enumerate(found):
        _write(run.data, number, findings, train)


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """Progress bars on a terminal; none elsewhere."""
    with Bar(console=err, transient=True, disable=not err.is_terminal) as bar:
        tasks = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done, total=total)

        yield show


def _write(folder: Path, number: int, findings: Findings, train: Images) -> list[Path]:
    from lab2.data.samples import sample_pages

    paths = []
    for page, image in enumerate(sample_pages(train, findings.classes), 1):
        paths.append(folder / f"samples-{f'{number + 1}-' if number else ''}{page}.png")
        image.save(paths[-1])
    return paths


def _show(findings: Findings) -> None:
    parts = list(findings.counts)
    say(findings.dataset)
    table = Table()
    table.add_column("class")
    for part in parts:
        table.add_column(part, justify="right")
    order = list(range(len(findings.classes)))
    if len(order) > _SHOWN:
        by_count = sorted(order, key=lambda label: -findings.counts["train"][label])
        order = [*by_count[: _SHOWN // 2], *by_count[-_SHOWN // 2 :]]
    for label in order:
        cells = [f"{findings.counts[part][label]:,}" for part in parts]
        table.add_row(Text(for_terminal(findings.classes[label])), *cells)
    table.add_section()
    table.add_row(f"all {len(findings.classes)}", *(f"{sum(findings.counts[part]):,}" for part in parts))
    show(table)
    if findings.boxes:
        paragraph(f"boxes: {', '.join(f'{count:,} in {part}' for part, count in findings.boxes.items())}")
    paragraph(f"split: {findings.split}")
    sizes = ", ".join(f"{name} {width} x {height}" for name, (width, height) in findings.sizes.items())
    channels, side = findings.form
    paragraph(f"sizes: {sizes} pixels; the networks get {side} x {side}, {'grey' if channels == 1 else 'colour'}")
    for name, counts in (("modes", findings.modes), ("formats", findings.formats), ("left out", findings.left_out)):
        if counts:
            paragraph(f"{name}: {', '.join(f'{key}: {count:,}' for key, count in counts.items())}")
