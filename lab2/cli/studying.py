"""`lab2 study`: claims of others, each measured by trials and a rule that are fixed beforehand."""

from __future__ import annotations

from typing import Annotated

import typer

from lab2.cli import completion
from lab2.cli.command import command
from lab2.cli.launching import Cluster
from lab2.cli.options import DEFAULT_RUNS, Device, Parallel, Runs
from lab2.cli.screen import warn
from lab2.errors import ConfigError, Lab2Error
from lab2.spec.profile import read_profile

app = typer.Typer()


@command(app, example="lab2 study parameters --small --parallel 2")
def study(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CLAIM]...",
            help="Names of claims, or all. Without one: list them.",
            autocompletion=completion.claim,
        ),
    ] = None,
    small: Annotated[bool, typer.Option("--small", help="At most 15 minutes on two cores: the default.")] = False,
    full: Annotated[bool, typer.Option("--full", help="All data and more seeds, for a cluster.")] = False,
    profile: Annotated[str | None, Cluster] = None,
    parallel: Parallel = None,
    device: Device = "auto",
    rerun: Annotated[bool, typer.Option("--rerun", help="Also what another run has finished.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print rule and trials, no more.")] = False,
    runs: Runs = DEFAULT_RUNS,
) -> None:
    """Measure a claim: run its trials, and state whether it is supported, refuted, or not decided.

    Each claim has its own run. Its rule and trials are written, with a SHA-256, before the first trial starts.
    """
    from lab2.cli.claiming import list_claims, run_study  # loads scipy
    from lab2.study.claim import choose

    if small and full:
        raise ConfigError("lab2 study --small --full: give one of them")
    if not names:
        list_claims()
        return
    cluster = read_profile(profile) if profile else None
    unfinished = False
    chosen = choose(names)
    for claim in chosen:
        try:
            unfinished |= run_study(
                claim,
                "full" if full else "small",
                runs,
                cluster,
                parallel=parallel,
                device=device,
                rerun=rerun,
                dry_run=dry_run,
            )
        except Lab2Error as error:  # one that cannot start, such as for a data set that is not here, stops no other
            if len(chosen) == 1:
                raise
            warn(f"{claim.name}: {error}", "red")
            unfinished = True
    if unfinished:
        raise typer.Exit(1)
