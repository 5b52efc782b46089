"""The commands about this machine, its data and its jobs."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from lab2.cli.options import Jobs, folder_and_names
from lab2.cli.screen import out, say
from lab2.spec.catalogue import read_catalogue
from lab2.spec.shipped import write_copies

app = typer.Typer()


@app.command(epilog="Example: lab2 init mine")
def init(folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to; it is made if needed.")]) -> None:
    """Write the jobs, cluster profiles and container scripts that come with lab2 into a folder, to adapt them."""
    written = write_copies(folder)
    say(f"{len(written)} files in {folder}:")
    for part in sorted({file.parent for file in written}):
        names = [file.stem if file.suffix in (".py", ".toml") else file.name for file in written if file.parent == part]
        say(f"  {f'{part}/':<18} {', '.join(names)}")
    say(f"they are what is used there: cd {shlex.quote(str(folder))}, then")
    say("  lab2 jobs                                     what each job asks")
    say("  lab2 run-local --quick                        a smoke run of all of them")
    say("  lab2 submit --profile gpu-cluster --dry-run   the batch scripts for Slurm")


@app.command(epilog="Example: lab2 prepare fashion-mnist vgg16 alexnet")
def prepare(
    names: Annotated[list[str] | None, typer.Argument(help="Data sets and architectures; nothing: list them.")] = None,
) -> None:
    """Download data sets and ImageNet weights once, on a machine with a network."""
    from lab2.machine.prepare import PREPARED, prepare_all

    if not names:
        say(f"can be prepared: {', '.join(PREPARED)}")
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
