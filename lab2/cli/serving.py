"""The command that shows a run as a page while it goes on."""

from __future__ import annotations

import getpass
import shlex
from typing import Annotated

import typer

from lab2.cli.command import command
from lab2.cli.options import DEFAULT_RUNS, RunId, Runs
from lab2.cli.reporting import report_of
from lab2.cli.screen import gather, say
from lab2.cli.watching import LOCAL_SECONDS, SLURM_SECONDS
from lab2.results.run_dir import RunDir, open_run

app = typer.Typer()

MOST_PORT = 65535


@command(app, example="lab2 watch latest")
def watch(
    run_id: RunId = "latest",
    port: Annotated[
        int | None,
        typer.Option("--port", metavar="PORT", min=1, max=MOST_PORT, help="Of 127.0.0.1. Default: a free one."),
    ] = None,
    runs: Runs = DEFAULT_RUNS,
) -> None:
    """Show a run in a browser while it goes on; when it has ended, its report.

    Only this machine can open the page, and only with the address that is printed. Ctrl-C ends it; the run goes on.
    """
    from lab2.watch.feed import Feed  # loads jinja2
    from lab2.watch.server import WatchServer, tunnel

    run = open_run(runs, run_id)
    feed = Feed(run, SLURM_SECONDS if run.profile.exists() else LOCAL_SECONDS, lambda: _report_page(run))
    feed.newest()  # what cannot be read is said here, not in a browser
    with WatchServer(feed, port or 0) as server:
        say(f"run {run.path.name}: {server.address}")
        say(f"from another machine: {shlex.join(tunnel(server, _user()))}, then the same address")
        say("the address lets whoever has it see the run; Ctrl-C ends this, and the run goes on")
        try:
            server.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            say("\nnot watched any more")
        finally:
            feed.stop()


def _user() -> str:
    """Who runs this, as far as the machine knows: a container may have no name for a user."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "USER"


def _report_page(run: RunDir) -> bytes:
    """The page that `lab2 report` writes of it."""
    from lab2.report.page.page import index_html  # loads scipy

    return index_html(report_of(run, gather(run)[0]))
