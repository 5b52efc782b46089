"""The commands that start and stop trials."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from lab2.cli import completion
from lab2.cli.checking import check_for_elsewhere, check_here, planned, refuse_changed, take_over
from lab2.cli.command import command
from lab2.cli.launching import Cluster, launch, launching, resubmit, show_results, start, submit_trials
from lab2.cli.options import (
    DEFAULT_RUNS,
    BudgetOption,
    Dataset,
    Device,
    Jobs,
    JobsFolder,
    Margin,
    NoBaselines,
    Parallel,
    Quick,
    RunId,
    Runs,
    Seeds,
    Settings,
    at_once,
    chosen_jobs,
    chosen_seeds,
    refuse_auto,
    with_baselines,
)
from lab2.cli.screen import err, say, show_log, show_table, show_trace, warn
from lab2.errors import ConfigError
from lab2.launch.planning import change_resources
from lab2.launch.status import status
from lab2.launch.verdict import BEING_CANCELLED
from lab2.results.run_dir import RunDir, new_run_id, open_run
from lab2.spec.budget import with_budget
from lab2.spec.plan import some_of
from lab2.spec.profile import read_profile

app = typer.Typer()


@command(app, example="lab2 run-local --jobs cnn,vit --seeds 3 --set train.epochs=5")
def run_local(
    jobs: Jobs = None,
    seeds: Seeds = "1",
    dataset: Dataset = "mnist",
    quick: Quick = False,
    budget: BudgetOption = None,
    settings: Settings = None,
    parallel: Parallel = None,
    device: Device = "auto",
    margin: Margin = None,
    no_baselines: NoBaselines = False,
    runs: Runs = DEFAULT_RUNS,
) -> None:
    """Train on this machine, one process a trial, and show the table."""
    chosen = chosen_jobs(jobs) if no_baselines else with_baselines(chosen_jobs(jobs))
    trials = planned(chosen, chosen_seeds(seeds), dataset, with_budget(settings or [], budget), smoke=quick)
    trials, gpus = check_here(trials, device)
    run = start(runs, trials, smoke=quick, device=device, margin=margin)
    with launching(run):
        launch(run, run.read_plan(), trials, at_once(parallel), gpus)


@command(app, example="lab2 train vit --seed 7 --set train.epochs=3")
def train(
    job: Annotated[str, typer.Argument(metavar="JOB", help="One that lab2 jobs lists.", autocompletion=completion.job)],
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Seed of all its random numbers.")] = 1,
    jobs: JobsFolder = None,
    dataset: Dataset = "mnist",
    budget: BudgetOption = None,
    settings: Settings = None,
    trace: Annotated[bool, typer.Option("--trace", help="Train some steps only, and say where the time goes.")] = False,
    device: Device = "auto",
    runs: Runs = DEFAULT_RUNS,
    old_trace: Annotated[bool, typer.Option("--profile", hidden=True)] = False,
) -> None:
    """Run one trial in the foreground, in a run of its own."""
    from lab2.launch.environment import restart_with_allocation

    if not job or "," in job or "/" in job:
        raise ConfigError(f"lab2 train {job!r}: wanted the name of one job; lab2 run-local runs several")
    chosen = chosen_jobs([*(jobs or []), job])
    if len(chosen) > 1:
        raise ConfigError(f"lab2 train {job}: --jobs names {', '.join(one.name for one in chosen)}; wanted a folder")
    if old_trace:
        warn("note: --profile of lab2 train is called --trace now; elsewhere --profile names a cluster")
    restart_with_allocation()
    trials, _ = check_here(planned(chosen, [seed], dataset, with_budget(settings or [], budget)), device)
    if trace or old_trace:
        from lab2.trace import trace_trial

        file = runs / "traces" / f"{trials[0].name}-{datetime.now(UTC):%Y%m%d-%H%M%S}.json"
        with err.status(f"tracing some steps of {trials[0].name}"):
            found = trace_trial(trials[0], file, device=device)
        show_trace(found)
        return
    run = start(runs, trials, smoke=False, device=device)
    show_log()
    from lab2.trial import run_trial

    shard = run_trial(trials[0], run, device=device)
    show_table(run)
    raise typer.Exit(0 if shard.status == "ok" else 1)


@command(app, example="lab2 submit --profile mycluster --seeds 10")
def submit(
    profile: Annotated[str, Cluster],
    jobs: Jobs = None,
    seeds: Seeds = "1",
    dataset: Dataset = "mnist",
    quick: Quick = False,
    budget: BudgetOption = None,
    settings: Settings = None,
    parallel: Parallel = None,
    device: Device = "auto",
    margin: Margin = None,
    no_baselines: NoBaselines = False,
    rerun: Annotated[bool, typer.Option("--rerun", help="Also what another run has finished.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the batch scripts and the plan, no more.")] = False,
    runs: Runs = DEFAULT_RUNS,
) -> None:
    """Hand trials to Slurm, an array a job, and return at once."""
    from lab2.launch.slurm import check_submission, scripts, write_profile

    refuse_auto(parallel)
    cluster = read_profile(profile)
    chosen = chosen_jobs(jobs) if no_baselines else with_baselines(chosen_jobs(jobs))
    asked = with_budget(settings or [], budget)
    trials = planned(chosen, chosen_seeds(seeds), dataset, asked, smoke=quick, profile=cluster)
    where = RunDir((runs / new_run_id(runs, dataset)).absolute())
    if dry_run:
        for text in scripts(where, trials, cluster, parallel=parallel):
            say(f"{text}\n")
        say(f"{where.path}: {len(trials)} trials: {', '.join(t.name for t in trials)}")
        return
    trials = check_for_elsewhere(trials, cluster)
    check_submission(where, trials, cluster, parallel=parallel)  # a run that Slurm refuses is none
    run = start(runs, trials, smoke=quick, device=device, margin=margin)
    with launching(run):
        write_profile(run, cluster)
        left = trials if rerun else take_over(run, trials, cluster, device)
        submit_trials(run, left, cluster, parallel)


@command(app, example="lab2 resume latest --set resources.timeout_min=120")
def resume(
    run_id: RunId = "latest",
    parallel: Parallel = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="resources.timeout_min=120 and the like.")
    ] = None,
    profile: Annotated[str | None, Cluster] = None,
    any_node: Annotated[
        bool, typer.Option("--any-node", help="Slurm: also nodes on which a trial was killed.")
    ] = False,
    runs: Runs = DEFAULT_RUNS,
) -> None:
    """Run what is missing or failed in a run, from its checkpoints.

    On Slurm if it was there, with the profile that it had or the one that is given now.
    """
    from lab2.launch.slurm import read_run_profile

    run = open_run(runs, run_id)
    mended = read_profile(profile) if profile else None
    with launching(run):  # from here on: what is lost now must not be submitted twice
        cluster = mended or read_run_profile(run)
        now = status(run, run.read_plan())
        if now.caveat:
            raise ConfigError(f"{now.caveat}: what runs cannot be told from what is lost; resume when Slurm answers")
        before = run.read_plan().trials
        plan = change_resources(run, settings or [], mended)
        if run.study.exists():
            from lab2.cli.searching import resume_study  # loads scipy

            given_more = {
                new.name
                for old, new in zip(before, plan.trials, strict=True)
                if new.job.resources.memory_gb > old.job.resources.memory_gb
            }
            resume_study(run, cluster, parallel, any_node=any_node, given_more=given_more)
            return
        states = {line.trial: line for line in now.trials}
        busy = [name for name, line in states.items() if line.state in ("running", "queued")]
        trials = [t for t in plan.trials if t.name not in busy and not states[t.name].finished]
        ending = [name for name in busy if states[name].reason == BEING_CANCELLED]
        if ending and not trials:
            raise ConfigError(f"{', '.join(ending)}: {BEING_CANCELLED}; resume when lab2 status says that it has ended")
        if busy:
            warn(f"left alone, still running or queued: {some_of(busy)}")
        if not trials:
            done = sum(line.finished for line in states.values())
            say(f"nothing to resume: {done} of {len(states)} trials are finished")
            show_results(run)
            return
        refuse_changed(trials)
        if cluster is not None:
            refuse_auto(parallel)
        if run.claim.exists():
            from lab2.cli.claiming import resumed_at_once  # loads scipy

            parallel = resumed_at_once(run, parallel)
        if cluster is None:
            launch(run, plan, trials, at_once(parallel), check_here(trials, plan.device)[1])
        else:
            resubmit(run, trials, cluster, parallel, now, any_node=any_node)


@command(app, example="lab2 cancel latest --trial vit-seed1")
def cancel(
    run_id: RunId = "latest",
    trial: Annotated[
        list[str] | None,
        typer.Option(
            "--trial", metavar="TRIAL", help="Only this one; may be repeated.", autocompletion=completion.trial
        ),
    ] = None,
    runs: Runs = DEFAULT_RUNS,
) -> None:
    """Stop what is queued or running; checkpoints and results stay.

    Without --trial no other trial of the run is started, either.
    """
    from lab2.launch.local import stop_launcher, stop_trials
    from lab2.launch.slurm import cancel as cancel_jobs
    from lab2.launch.slurm import read_run_profile

    run = open_run(runs, run_id)
    plan = run.read_plan()
    for name in trial or []:
        plan.trial(name)
    busy = [
        line.trial
        for line in status(run, plan).trials
        if line.state in ("running", "queued", "stuck") and line.trial in (trial or [line.trial])
    ]
    if read_run_profile(run) is None:
        launcher = not trial and stop_launcher(run)
        stopped = bool(stop_trials(run, busy)) or launcher
    else:
        stopped = bool(cancel_jobs(run, busy))
    what = some_of(busy) or "what was about to start"
    say(f"cancelled: {what}" if stopped else "nothing to cancel: no such trial is queued or running")
