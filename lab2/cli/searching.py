"""What `lab2 tune`, `lab2 resume` and `lab2 report` do with a search: plan it, run its stages, show what it found."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from lab2.cli.checking import check_for_elsewhere, check_here, planned, refuse_changed
from lab2.cli.launching import launching, resubmit, run_here, start, submit_trials, until_ended
from lab2.cli.options import at_once, named, refuse_auto
from lab2.cli.screen import gather, note, paragraph, say, show, show_table, show_warnings, warn, watch
from lab2.data.datasets import load_training
from lab2.errors import ConfigError
from lab2.foreign_text import for_terminal
from lab2.launch.planning import data_config, with_side
from lab2.launch.slurm import check_submission, write_profile
from lab2.launch.status import RunStatus, status
from lab2.results.collect import Comparison, collect
from lab2.results.run_dir import RunDir, new_run_id
from lab2.results.shard import Shard
from lab2.spec.job import JobSpec, Trial
from lab2.spec.plan import Plan, some_of
from lab2.spec.profile import Profile
from lab2.tune.outcome import job_outcomes, write_tuned
from lab2.tune.report import JUDGED, TITLES, rule_text, summary_rows, tuning_chapter, write_tuning
from lab2.tune.stages import grown, left, stages, with_more_memory
from lab2.tune.study import Study, Validation, default_validation, make_study, read_study, write_study
from lab2.words import counted


def plan_study(
    jobs: Sequence[JobSpec],
    dataset: str,
    settings: Sequence[str],
    cluster: Profile | None,
    *,
    folds: int | None,
    **more: Any,
) -> Study:
    """The study of `jobs` as the options ask for it; `more` are fields of `Study`. Raises `Lab2Error`."""
    found = planned(jobs, [0], dataset, settings, profile=cluster)
    data = data_config(dataset, [one for one in settings if one.strip().startswith("data.")])
    if any(trial.data != with_side(replace(trial, data=data)).data for trial in found):
        raise ConfigError("--set JOB:data.NAME: all jobs of a study see the same data; leave out the job's name")
    if folds is None:
        read = load_training(found[0].data)
        own = read.facts.validation
        validation = default_validation(len(read.train) + len(read.validation) * (not own), has_own=own)
    else:
        validation = Validation(folds=folds)
    return make_study([trial.job for trial in found], data=data, validation=validation, **more)


def start_study(runs: Path, study: Study, cluster: Profile | None, parallel: int | None, device: str) -> None:
    """Check the trials of `study`, write it and the plan of its first stage, and begin."""
    first = [with_side(trial) for trial in next(stages(study, {}))]
    last = [with_side(trial) for one in study.jobs for trial in study.final_trials(one.job.name, 0)]
    checked = check_for_elsewhere([*first, *last], cluster) if cluster else check_here([*first, *last], device)[0]
    search = [trial for trial in checked if trial.search]
    if cluster:  # a run that Slurm refuses is none
        where = RunDir((runs / new_run_id(runs, study.data.dataset)).absolute())
        refuse_auto(parallel)
        check_submission(where, search, cluster, parallel=parallel)
    run = start(runs, search, smoke=False, device=device, before=lambda run: write_study(run.study, study))
    paragraph(rule_text(study))
    with launching(run):
        if cluster is None:
            go_on_here(run, study, at_once(parallel), device)
            return
        write_profile(run, cluster)
        submit_trials(run, search, cluster, parallel)
        say(f"when these trials have ended, {_next(run)}")


def go_on_here(run: RunDir, study: Study, parallel: int, device: str) -> None:
    """Run the stages of a study that are left on this machine, and show what it found.

    Exits with 1 where a trial was killed or cancelled, or a chosen recipe did not end well; then
    `lab2 resume` runs it again.
    """
    from lab2.check import local_gpus  # loads torch, which a login node has not got

    tried: set[str] = set()
    while True:
        plan, now = _grown(run, study)
        waiting = left(plan, _rows(run, now))
        busy = [line.trial for line in now.trials if line.state == "running"]
        trials = [trial for trial in waiting if trial.name not in {*tried, *busy}]
        if trials:
            refuse_changed(trials)
            say(f"run {plan.run_id}: {_stage(trials)}, {run.path}")
            run_here(run, plan, trials, parallel, local_gpus(device))
            tried.update(trial.name for trial in trials)
        elif busy:
            note(f"waiting for trials that already run: {some_of(busy)}")
            watch(run, until_ended(run, plan, busy))
        else:
            break
    _conclude(run, waiting)


def resume_study(
    run: RunDir, cluster: Profile | None, parallel: int | None, *, any_node: bool, given_more: Collection[str] = ()
) -> None:
    """Go on with a study: run what was killed, or the next stage if one has ended.

    `given_more`: trials that have been given more memory than before.
    """
    study, device = read_study(run.study), run.read_plan().device
    if cluster is None:
        go_on_here(run, study, at_once(parallel), device)
        return
    plan, now = _grown(run, study, given_more)
    busy = {line.trial for line in now.trials if line.state in ("running", "queued")}
    waiting = left(plan, with_more_memory(study, plan, _rows(run, now), given_more))
    trials = [trial for trial in waiting if trial.name not in busy]
    if busy:
        note(f"left alone, still running or queued: {some_of(sorted(busy))}")
    if trials:
        refuse_changed(trials)
        resubmit(run, trials, cluster, parallel, now, any_node=any_node)
    if waiting:
        last = not any(trial.search for trial in waiting)
        then = (
            f"lab2 report {named(run)} shows the table" if last else f"lab2 resume {named(run)} submits the next stage"
        )
        say(f"when these trials have ended, {then}")
    else:
        _conclude(run, waiting)


def _conclude(run: RunDir, waiting: Sequence[Trial]) -> None:
    """Show what a study found. Exits with 1 where trials are left, or a job has no recipe."""
    without = show_study(run)
    if without:
        note(f"no recipe for {', '.join(without)}: all settings failed; report/tuning.md has the reasons")
    if waiting:
        warn(f"not finished: {some_of([trial.name for trial in waiting])}; lab2 resume {named(run)} runs it again")
    if waiting or without:
        raise typer.Exit(1)


def show_study(
    run: RunDir,
    gathered: tuple[Comparison, RunStatus] | None = None,
    *,
    quiet: bool = False,
    figures: bool = False,
) -> list[str]:
    """Print what a study found by now, write its files, then the table of the chosen recipes.

    Returns the jobs of which all settings failed. Raises `ConfigError`, after a table of all trials, where the file of
    the study was altered.
    """
    comparison, unreported = gathered = gathered or gather(run)
    try:
        study = read_study(run.study)
    except ConfigError:  # nothing is chosen, but the trials are what they were
        show_table(run, gathered, quiet=quiet, figures=figures)
        raise
    outcomes = job_outcomes(study, {row.trial: row for row in comparison.rows})
    if not quiet:
        table = Table(box=SIMPLE_HEAD, pad_edge=False, title=JUDGED)
        for title in TITLES:
            is_name = title == "model"  # a long one is folded; numbers are not cut
            table.add_column(title, justify="left" if is_name else "right", no_wrap=not is_name, overflow="fold")
        for row in summary_rows(study, outcomes):
            table.add_row(*(Text(for_terminal(cell)) for cell in row))
        show(table)
        for one in outcomes:
            for it in one.failed:
                paragraph(f"{one.job}: setting {it.number} failed: {it.reason}", "red")
    reports, refused = write_tuning(run, study, outcomes)
    jobs, more = write_tuned(run, study, outcomes)
    for error in (*refused, *more):
        note(f"warning: not written: {error.filename}: {error.strerror}")
    written = [f"report/{name}" for name in reports] + [f"tuned/{name}" for name in jobs]
    paragraph(f"in {run.path}: {', '.join(['study.json', *written])}")
    if (tested := comparison.tested()) is not None:
        show_table(run, (tested, unreported), quiet=quiet, figures=figures, chapters=(tuning_chapter(study, outcomes),))
    else:
        show_warnings(comparison, unreported)
    return [one.job for one in outcomes if one.complete and one.chosen is None]


def _next(run: RunDir) -> str:
    return f"lab2 resume {named(run)} submits the next stage"


def _stage(trials: Sequence[Trial]) -> str:
    number = sum(bool(trial.search) for trial in trials)
    final = len(trials) - number
    parts = [f"{counted(number, 'training')} of the search"] * bool(number)
    parts += [f"{counted(final, 'training')} of the chosen recipes"] * bool(final)
    return " and ".join(parts)


def _grown(run: RunDir, study: Study, given_more: Collection[str] = ()) -> tuple[Plan, RunStatus]:
    """The run's plan with the stages that are decided by now, and the status of its trials."""
    plan = run.read_plan()
    now = status(run, plan)
    if now.caveat:
        raise ConfigError(f"{now.caveat}: what runs cannot be told from what is lost; resume when Slurm answers")
    longer = grown(run, study, with_more_memory(study, plan, _rows(run, now), given_more))
    return longer, now if longer == plan else status(run, longer)


def _rows(run: RunDir, now: RunStatus) -> dict[str, Shard]:
    reasons = now.explain_missing()
    return {row.trial: row for row in collect(run, lambda *_: reasons).rows}
