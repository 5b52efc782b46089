"""The commands to start with: what comes with lab2, this machine, its data, the jobs."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from lab2.cli import completion
from lab2.cli.command import command
from lab2.cli.options import Jobs, folder_and_names
from lab2.cli.screen import out, say
from lab2.spec.catalogue import find_jobs, folders_within
from lab2.spec.shipped import write_copies

app = typer.Typer()


@command(app, example="lab2 init mine")
def init(folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to; it is made if needed.")]) -> None:
    """Write copies of lab2's jobs, profiles and scripts, to adapt.

    Called from that folder, lab2 uses them instead of its own. Nothing is overwritten.
    """
    written = write_copies(folder)
    say(f"{len(written)} files in {folder}:")
    for part in sorted({file.parent for file in written}):
        names = [file.stem if file.suffix in (".py", ".toml") else file.name for file in written if file.parent == part]
        say(f"  {f'{part}/':<18} {', '.join(names)}")
    say(f"they are what is used there: cd {shlex.quote(str(folder))}, then")
    say("  lab2 jobs                                     what each job asks")
    say("  lab2 run-local --quick                        a smoke run of all of them")
    say("  lab2 submit --profile gpu-cluster --dry-run   the batch scripts for Slurm")


@command(app, example="lab2 doctor")
def doctor() -> None:
    """Say what this machine can do, and what is missing.

    The exit code is 1 where lab2 itself is not whole.
    """
    from lab2.machine.survey import survey

    broken = False
    for finding in survey():
        mark = "[green]yes[/]" if finding.there else "[red]no [/]" if finding.needed else "[yellow]no [/]"
        out.print(f"{mark} {finding.what:<18} {escape(finding.found)}", soft_wrap=True)
        broken |= finding.needed and not finding.there
    if broken:
        raise typer.Exit(1)


@command(app, example="lab2 prepare fashion-mnist vgg16 torchvision:resnet50")
def prepare(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            help="Data sets, and networks for their weights; without any: list them.",
            autocompletion=completion.prepared,
        ),
    ] = None,
    clean: Annotated[bool, typer.Option("--clean", help="Remove decoded pictures from the cache.")] = False,
) -> None:
    """Download data sets and pre-trained weights, once.

    On a machine with a network, into the cache: $LAB2_CACHE, else ~/.cache/lab2. Trials only read there.
    """
    if clean:
        from lab2.data.decoded import clean as remove_decoded
        from lab2.data.decoded import decoded_folder

        say(f"{remove_decoded() / 1e9:.2f} GB of decoded pictures removed from {decoded_folder()}")
        if not names:
            return
    from lab2.data.torchvision_sets import TORCHVISION
    from lab2.machine.prepare import PREPARED, prepare_all

    if not names:
        say(f"can be prepared: {', '.join(PREPARED)}")
        say(f"data sets of torchvision: {', '.join(f'torchvision:{name}' for name in TORCHVISION)}")
        say("weights of a library's networks: torchvision:NAME, timm:NAME")
        return
    for name, place in prepare_all(names):
        say(f"{name}: {place}")


@command(app, name="jobs", example="lab2 jobs cnn")
def show_jobs(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="JOB", help="Show these, with all their settings.", autocompletion=completion.job),
    ] = None,
    jobs: Jobs = None,
) -> None:
    """List the jobs, or show one with all its settings."""
    from lab2.cli.job_card import show_job

    folder, more = folder_and_names(jobs)
    wanted = [*(names or []), *more]
    entries = find_jobs(folder, wanted)
    if not wanted:
        for entry in entries:
            out.print(f"[bold]{entry.job.name:<14}[/] {escape(entry.question)}", soft_wrap=True)
        for inner, more_names in folders_within(folder).items():
            out.print(f"[dim]{', '.join(more_names)}: --jobs {escape(shlex.quote(str(inner)))}[/]", soft_wrap=True)
        return
    for entry in entries:
        show_job(entry)
