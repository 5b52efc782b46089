"""The commands that show a run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from lab2.cli import completion
from lab2.cli.command import command
from lab2.cli.options import DEFAULT_RUNS, RunId, Runs, named
from lab2.cli.screen import gather, note, pass_on, say, show_table, show_trials, watch
from lab2.errors import RunError
from lab2.launch.status import RunStatus, TrialStatus, status
from lab2.results.run_dir import RunDir, open_run
from lab2.spec.plan import Plan

if TYPE_CHECKING:
    from lab2.results.collect import Comparison

app = typer.Typer()
Follow = Annotated[bool, typer.Option("--follow", help="Go on until the end.")]

LOCAL_SECONDS, SLURM_SECONDS = 1, 10  # between two updates; Slurm's administrators dislike frequent queries


@command(app, name="status", example="lab2 status --follow")
def show_status(
    run_id: RunId = "latest",
    follow: Follow = False,
    runs: Runs = DEFAULT_RUNS,
    watch_on: Annotated[bool, typer.Option("--watch", hidden=True)] = False,
) -> None:
    """Show what each trial is doing, or what became of it."""
    run = open_run(runs, run_id)
    plan = run.read_plan()
    if follow or watch_on:
        watch(run, _updates(run, plan))
        return
    now = status(run, plan)
    say(f"run {plan.run_id}")
    show_trials(run, now.trials)
    if now.caveat:
        note(f"warning: {now.caveat}")


@command(app, example="lab2 logs vit-seed1 --follow")
def logs(
    trial: Annotated[
        str,
        typer.Argument(metavar="TRIAL", help="One that lab2 status lists.", autocompletion=completion.trial),
    ],
    run_id: RunId = "latest",
    follow: Follow = False,
    runs: Runs = DEFAULT_RUNS,
    named_run: Annotated[str | None, typer.Option("--run", hidden=True)] = None,
) -> None:
    """Show what a trial has logged."""
    from lab2.launch.logs import read_log

    run = open_run(runs, named_run or run_id)
    plan = run.read_plan()
    wanted = plan.trial(trial)

    def ended() -> bool:
        return all(line.ended for line in status(run, plan).trials if line.trial == trial)

    for text in read_log(run, wanted, follow=follow, ended=ended):
        pass_on(text)


@command(app, example="lab2 report latest")
def report(
    run_id: RunId = "latest",
    quiet: Annotated[bool, typer.Option("--quiet", help="Write the files, print no table.")] = False,
    figures: Annotated[
        bool, typer.Option("--figures", help="Also write its charts as SVG, PDF and PNG (lab2 plot draws one).")
    ] = False,
    runs: Runs = DEFAULT_RUNS,
) -> None:
    """Show a run's comparison table, and write its report."""
    if figures:
        from lab2.report.figures.drawing import require_matplotlib

        require_matplotlib()  # before the table is made, which takes a while
    run = open_run(runs, run_id)
    if run.study.exists():
        from lab2.cli.searching import show_study  # loads scipy

        show_study(run, _with_shards(run), quiet=quiet, figures=figures)
    elif run.claim.exists():
        from lab2.cli.claiming import show_claim  # loads scipy

        show_claim(run, _with_shards(run), quiet=quiet, figures=figures)
    else:
        show_table(run, _with_shards(run), quiet=quiet, figures=figures)


@command(app, example="lab2 collect latest", hidden=True)
def collect(run_id: RunId = "latest", runs: Runs = DEFAULT_RUNS) -> None:
    """Another word for `lab2 report --quiet`."""
    report(run_id, quiet=True, runs=runs)


def _updates(run: RunDir, plan: Plan) -> Iterator[list[TrialStatus]]:
    said = ""
    while True:
        now = status(run, plan)
        if now.caveat != said:
            said = now.caveat
            note(f"warning: {said}" if said else "Slurm answers again")
        yield now.trials
        if all(line.ended for line in now.trials):
            return
        time.sleep(SLURM_SECONDS if run.profile.exists() else LOCAL_SECONDS)


def _with_shards(run: RunDir) -> tuple[Comparison, RunStatus]:
    """The collected run. Raises `RunError` if no trial has ended yet; it names the command that shows the status."""
    comparison, unreported = gather(run)
    ended = any(line.ended and line.state != "lost" for line in unreported.trials)
    if not ended and not comparison.warnings and set(comparison.statuses) == {"missing"}:
        raise RunError(f"{run.path.name}: no shards yet; see what it does with: lab2 status {named(run)}")
    return comparison, unreported
