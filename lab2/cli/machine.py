"""The commands about this machine, its data and its jobs."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from lab2.cli.options import Jobs, folder_and_names
from lab2.cli.screen import out, say
from lab2.spec.catalogue import read_catalogue

app = typer.Typer()


@app.command(epilog="Example: lab2 prepare fashion-mnist vgg16 torchvision:resnet50")
def prepare(
    names: Annotated[list[str] | None, typer.Argument(help="Data sets and networks; nothing: list them.")] = None,
) -> None:
    """Download data sets and pre-trained weights once, on a machine with a network."""
    from lab2.machine.prepare import PREPARED, prepare_all

    if not names:
        say(f"can be prepared: {', '.join(PREPARED)}, torchvision:NAME, timm:NAME")
        return
    for name, place in prepare_all(names):
        say(f"{name}: {place}")


@app.command("jobs", epilog="Example: lab2 jobs --jobs my/jobs")
def list_jobs(jobs: Jobs = None) -> None:
    """List the jobs and the question that each answers."""
    folder, _ = folder_and_names(jobs)
    for entry in read_catalogue(folder).values():
        out.print(f"[bold]{entry.job.name:<14}[/] {escape(entry.question)}", soft_wrap=True)


@app.command(epilog="Example: lab2 doctor")
def doctor() -> None:
    """Say what this machine can do, and what is missing; exit code 1 where lab2 itself is not whole."""
    from lab2.machine.survey import survey

    broken = False
    for finding in survey():
        mark = "[green]yes[/]" if finding.there else "[red]no [/]" if finding.needed else "[yellow]no [/]"
        out.print(f"{mark} {finding.what:<18} {escape(finding.found)}", soft_wrap=True)
        broken |= finding.needed and not finding.there
    if broken:
        raise typer.Exit(1)
