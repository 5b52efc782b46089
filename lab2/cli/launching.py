"""How the commands start trials: here or on Slurm, under the lock of their run."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import FrameType

import typer

from lab2.cli import completion
from lab2.cli.inspecting import inspected, keep_findings
from lab2.cli.options import AUTO, named, refuse_auto
from lab2.cli.screen import say, show_table, warn, watch
from lab2.file_lock import held
from lab2.launch.planning import start_run
from lab2.launch.status import RunStatus, TrialStatus, status
from lab2.results.run_dir import RunDir
from lab2.spec.job import Trial
from lab2.spec.plan import Plan
from lab2.spec.profile import Profile
from lab2.words import counted

Cluster = typer.Option(
    "--profile",
    metavar="CLUSTER",
    help="A name in slurm/profiles/, or a .toml file.",
    autocompletion=completion.profile,
)

POLL_SECONDS = 1.0  # between two looks at trials that an earlier lab2 has started


def start(
    runs: Path,
    trials: Sequence[Trial],
    *,
    smoke: bool,
    device: str,
    margin: float | None = None,
    before: Callable[[RunDir], None] | None = None,
) -> RunDir:
    """A new run of `trials`, with what was found in their data; `before` writes what must be there with the plan."""
    found = inspected(trials)
    run = start_run(runs, trials, smoke=smoke, device=device, margin=margin, command=typed(), before=before)
    keep_findings(run, found)
    return run


def typed() -> str:
    """The command that was typed, as a shell takes it."""
    words = [os.fsencode(word).decode(errors="backslashreplace") for word in sys.argv[1:]]  # a plan is UTF-8
    return shlex.join(["lab2", *words])


def launching(run: RunDir) -> AbstractContextManager[None]:
    """Hold the lock under which trials of a run are started. Raises `RunError` if another lab2 holds it."""
    return held(run.launcher, "another lab2 is launching this run")


def launch(run: RunDir, plan: Plan, trials: list[Trial], parallel: int, gpus: list[str]) -> None:
    """Run `trials`, show their progress, then what they found. Exits with 1 if any trial has not ended well."""
    smoke = " (smoke run: a fraction of the data)" if plan.smoke else ""
    say(f"run {plan.run_id}: {counted(len(trials), 'trial')}{smoke}, {run.path}")
    run_here(run, plan, trials, parallel, gpus)
    show_results(run)
    if not all(line.finished for line in status(run, plan).trials):
        raise typer.Exit(1)


def show_results(run: RunDir) -> None:
    """The table of a run; of the study of a claim its verdict."""
    if run.claim.exists():
        from lab2.cli.claiming import show_claim  # loads scipy

        show_claim(run)
    else:
        show_table(run)


def run_here(run: RunDir, plan: Plan, trials: Sequence[Trial], parallel: int, gpus: list[str]) -> None:
    """Run `trials` on this machine and show their progress. Ctrl-C stops those that run, and so does SIGTERM."""
    from lab2.launch.at_once import run_measured
    from lab2.launch.local import run_locally
    from lab2.measure.cores import available_cores

    if parallel == AUTO:
        updates = run_measured(run, plan, trials, cores=available_cores(), gpus=gpus, report=say)
    else:
        updates = run_locally(run, plan, trials, parallel=parallel, cores=available_cores(), gpus=gpus)
    try:
        names = {trial.name for trial in trials}
        with _interrupted_by_sigterm():
            watch(run, ([line for line in lines if line.trial in names] for lines in updates))
    except KeyboardInterrupt:
        updates.close()
        warn(f"\nstopped; what is finished is kept. Go on with: lab2 resume {named(run)}", "")
        raise


@contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    """Inside, SIGTERM is as Ctrl-C, to which a process is deaf that a script has started in the background."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def until_ended(run: RunDir, plan: Plan, names: Collection[str]) -> Iterator[list[TrialStatus]]:
    """The status of the trials `names`, which an earlier lab2 has started here, until none of them runs."""
    while True:
        lines = [line for line in status(run, plan).trials if line.trial in names]
        yield lines
        if not any(line.state == "running" for line in lines):
            return
        time.sleep(POLL_SECONDS)


def submit_trials(
    run: RunDir, trials: Sequence[Trial], cluster: Profile, parallel: int | None, exclude: Sequence[str] = ()
) -> None:
    from lab2.launch.slurm import submit as hand_over

    refuse_auto(parallel)
    plan = run.read_plan()
    if not trials:
        say(f"run {plan.run_id}: nothing to submit, all its trials are finished; see them: lab2 report {named(run)}")
        return
    say(f"run {plan.run_id}: {len(trials)} of {len(plan.trials)} trials for Slurm, {run.path}")
    for one in hand_over(run, plan, trials, cluster, parallel=parallel, exclude=exclude):
        several = f" and {len(one.trials) - 1} more" if len(one.trials) > 1 else ""
        say(f"job {one.job_id}: {one.trials[0]}{several}")
    say(f"watch it with: lab2 status {named(run)} --follow; then: lab2 report {named(run)}")


def resubmit(
    run: RunDir, trials: Sequence[Trial], cluster: Profile, parallel: int | None, now: RunStatus, *, any_node: bool
) -> None:
    from lab2.launch.slurm import cancel as cancel_jobs
    from lab2.launch.slurm import suspects, write_profile

    refuse_auto(parallel)
    write_profile(run, cluster)
    cancel_jobs(run, [line.trial for line in now.trials if line.state == "stuck"])
    bad = [] if any_node else suspects(run, now.trials)
    if bad:
        say(f"without the nodes on which a trial was killed: {', '.join(bad)} (--any-node: with them)")
    submit_trials(run, trials, cluster, parallel, exclude=bad)
