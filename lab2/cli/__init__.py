"""The CLI: the only package that prints. Its commands are thin; the other packages do the work.

This module is imported by every command and by `lab2 --help`, so it imports little.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

import lab2
from lab2.cache import cache_folder
from lab2.cli.command import Group
from lab2.cli.plain import print_plainly
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


def _show_version(asked: bool) -> None:
    if asked:
        from lab2.cli.screen import say

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
    print_plainly()
    try:
        app(prog_name="lab2")  # also as `python -m lab2.cli`, as an image calls it
    except Lab2Error as error:
        _refuse(one_line(str(error)))
    except OSError as error:
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        _refuse(f"{one_line(what)}; {_advice(error)}")
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "torchvision"):
            raise
        _refuse(f"this command needs {error.name}, which is not installed here")
    except KeyboardInterrupt:
        sys.exit(130)


def _refuse(text: str) -> NoReturn:
    from lab2.cli.screen import warn

    warn(f"lab2: {text}", "red")
    sys.exit(2)
