"""The CLI: the only package that prints. Its commands are thin; the other packages do the work."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

import lab2
from lab2.cache import cache_folder
from lab2.cli import (
    claims,
    comparing,
    deciding,
    exporting,
    importing,
    inspecting,
    machine,
    plotting,
    recommending,
    running,
    tuning,
    watching,
)
from lab2.cli.command import Group
from lab2.cli.screen import say, warn
from lab2.errors import Lab2Error
from lab2.foreign_text import one_line
from lab2.launch.environment import leave_threads_unbound

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Which vision architecture for this data, this budget, this machine?",
    epilog="Begin with: lab2 run-local --quick",
)
PARTS = (
    *(machine, inspecting, running, tuning, deciding, claims, watching),
    *(recommending, comparing, plotting, importing, exporting),
)
for part in PARTS:
    app.add_typer(part.app)


def _show_version(asked: bool) -> None:
    if asked:
        say(f"lab2 {lab2.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def _advice(error: OSError) -> str:
    """What to do about a file that cannot be read or written."""
    cache = cache_folder()
    if error.filename and Path(str(error.filename)).is_relative_to(cache):
        return f"that is in the cache, {cache}; let $LAB2_CACHE name a folder that can be written"
    if any(word in ("run-local", "submit", "resume", "train", "tune", "more", "study") for word in sys.argv[1:2]):
        return "mend that and try again; results are kept, lab2 resume runs the rest"
    return "mend that and try again"


def main() -> None:
    """Run the CLI; a user's mistake is one sentence and exit code 2."""
    leave_threads_unbound()
    try:
        app(prog_name="lab2")  # also as `python -m lab2.cli`, as an image calls it
    except Lab2Error as error:
        warn(f"lab2: {one_line(str(error))}", "red")
        sys.exit(2)
    except OSError as error:
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        warn(f"lab2: {one_line(what)}; {_advice(error)}", "red")
        sys.exit(2)
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "torchvision"):
            raise
        warn(f"lab2: this command needs {error.name}, which is not installed here", "red")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
