"""`lab2 more`: the seeds that an open pair needs, in looks that are planned beforehand."""

from __future__ import annotations

from typing import Annotated

import typer

from lab2.cli import completion
from lab2.cli.command import command
from lab2.cli.launching import Cluster, launching
from lab2.cli.options import DEFAULT_RUNS, Parallel, RunId, Runs, refuse_auto
from lab2.errors import ConfigError
from lab2.results.run_dir import open_run
from lab2.spec.profile import read_profile

app = typer.Typer()


@command(app, example="lab2 more latest --decide cnn,vit")
def more(
    run_id: RunId = "latest",
    decide: Annotated[
        str | None,
        typer.Option("--decide", metavar="JOB,JOB", help="The two jobs to compare.", autocompletion=completion.jobs),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            "--most-seeds",
            metavar="N",
            help="The most seeds of each, those at hand included. Default: 30, or the last of --looks.",
        ),
    ] = None,
    difference: Annotated[
        float | None,
        typer.Option(
            "--difference",
            metavar="POINTS",
            help="Points of accuracy (0.5): the true difference that is to be found. Default: the run's margin.",
        ),
    ] = None,
    looks: Annotated[
        str | None,
        typer.Option(
            "--looks",
            metavar="SEEDS",
            help="Numbers of seeds of each at which to look (3,5,10). Default: from the variance of the seeds at hand.",
        ),
    ] = None,
    profile: Annotated[str | None, Cluster] = None,
    parallel: Parallel = None,
    runs: Runs = DEFAULT_RUNS,
) -> None:
    """Add seeds to two rows of a run, in looks planned beforehand, until it is decided which is better.

    Called again, it goes on. On Slurm it submits the seeds of one look and returns.
    """
    from lab2.cli.looking import go_on, looks_of  # loads scipy
    from lab2.launch.planning import change_resources
    from lab2.launch.slurm import read_run_profile
    from lab2.more.planned_looks import Asked

    asked = Asked(difference_points=difference, looks=_numbers(looks), most_seeds=seeds)
    run = open_run(runs, run_id)
    with launching(run):
        mended = read_profile(profile) if profile else None
        cluster = mended or read_run_profile(run)
        if cluster:
            refuse_auto(parallel)
        planned = looks_of(run, _pair(decide), asked)
        if mended:
            change_resources(run, [], mended)
        go_on(run, planned, cluster, parallel)


def _pair(text: str | None) -> tuple[str, str] | None:
    """The two jobs that `--decide` names."""
    if text is None:
        return None
    names = [word.strip() for word in text.split(",") if word.strip()]
    if len(names) != 2 or names[0] == names[1]:
        raise ConfigError(f"--decide {text}: wanted two different jobs of the run, as in --decide cnn,vit")
    return names[0], names[1]


def _numbers(text: str | None) -> tuple[int, ...] | None:
    """The numbers of seeds that `--looks` names."""
    if text is None:
        return None
    words = [word.strip() for word in text.split(",")]
    if not all(word.isascii() and word.isdigit() for word in words):
        raise ConfigError(f"--looks {text}: wanted numbers of seeds with commas between them, as in --looks 3,5,10")
    return tuple(int(word) for word in words)
