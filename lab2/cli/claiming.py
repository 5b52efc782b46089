"""What `lab2 study`, `lab2 resume` and `lab2 report` do with the study of a claim: start it, show what it found."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.table import Table as Lines
from rich.text import Text

from lab2.cli.checking import check_for_elsewhere, check_here, take_over
from lab2.cli.launching import launching, run_here, start, submit_trials
from lab2.cli.options import AUTO, at_once, refuse_auto
from lab2.cli.screen import gather, note, paragraph, say, show, show_rows, show_table, show_warnings
from lab2.errors import ConfigError
from lab2.foreign_text import for_terminal
from lab2.launch.planning import resolve_weights, with_side
from lab2.launch.reuse import Here
from lab2.launch.slurm import check_submission, write_profile
from lab2.launch.status import RunStatus, status
from lab2.results.collect import Comparison
from lab2.results.run_dir import RunDir, new_run_id
from lab2.spec.job import Trial
from lab2.spec.profile import Profile
from lab2.study.claim import Claim, Size, Verdict, claims
from lab2.study.record import read_record, record_of, write_record
from lab2.study.report import provenance, study_chapter, write_study_report
from lab2.study.stating import state

_STYLES = {Verdict.SUPPORTED: "bold green", Verdict.REFUTED: "bold red", Verdict.UNDECIDED: "bold yellow"}


def list_claims() -> None:
    """Print the claims: name, text, number of trials."""
    show_rows(
        (("name", "left"), ("the claim", "left"), ("trials, small", "right"), ("full", "right")),
        ((one.name, one.text, str(len(one.plan("small"))), str(len(one.plan("full")))) for one in claims().values()),
    )


def run_study(
    claim: Claim,
    size: Size,
    runs: Path,
    cluster: Profile | None,
    *,
    parallel: int | None,
    device: str,
    rerun: bool,
    dry_run: bool,
) -> bool:
    """Start the study of `claim` in a run of its own, here to its end. Returns whether a trial did not end well."""
    trials, starts = resolve_weights([with_side(trial) for trial in claim.plan(size)])
    if cluster:
        trials = cluster.applied_to(trials)
    paragraph(f"{claim.name}: {claim.text}", "bold")
    paragraph(f"rule: {claim.rule}")
    if dry_run:
        paragraph(f"{len(trials)} trials: {', '.join(trial.name for trial in trials)}")
        return False
    if starts:
        say(starts)
    if cluster:
        _submit(claim, size, runs, trials, cluster, parallel=parallel, device=device, rerun=rerun)
        return False
    trials, gpus = check_here(trials, device)
    chosen = at_once(_at_once(claim, parallel))
    run = _begin(claim, size, runs, trials, device)
    with launching(run):
        # Where it is measured how many, the threads of each are not known yet: none can be said to have been the same.
        here = None if rerun or chosen == AUTO else _here(trials, chosen, gpus, alone=claim.timed)
        left = take_over(run, trials, here, device) if here else trials
        plan = run.read_plan()
        say(f"run {plan.run_id}: {len(left)} of {len(trials)} trials to run, {run.path}")
        run_here(run, plan, left, chosen, gpus)
    show_claim(run)
    return not all(line.finished for line in status(run, plan).trials)


def resumed_at_once(run: RunDir, parallel: int | None) -> int | None:
    """How many trials of the study in `run` at once; None: as `--parallel` says without a number.

    Raises `ConfigError` where its record cannot be read.
    """
    claim = claims().get(read_record(run.claim).claim)
    return _at_once(claim, parallel) if claim else parallel


def _at_once(claim: Claim, parallel: int | None) -> int | None:
    if not claim.timed or parallel == 1:
        return parallel
    if parallel is not None:
        shown = "auto" if parallel == AUTO else parallel
        say(f"one trial at a time, and not {shown}: {claim.name} compares their times")
    return 1


def _submit(
    claim: Claim,
    size: Size,
    runs: Path,
    trials: Sequence[Trial],
    cluster: Profile,
    *,
    parallel: int | None,
    device: str,
    rerun: bool,
) -> None:
    refuse_auto(parallel)
    parallel = _at_once(claim, parallel)  # on Slurm without a number, all of them
    checked = check_for_elsewhere(trials, cluster)
    where = RunDir((runs / new_run_id(runs, claim.name)).absolute())
    check_submission(where, checked, cluster, parallel=parallel)  # a run that Slurm refuses is none
    run = _begin(claim, size, runs, checked, device)
    with launching(run):
        write_profile(run, cluster)
        left = checked if rerun else take_over(run, checked, cluster, device)
        submit_trials(run, left, cluster, parallel)


def _begin(claim: Claim, size: Size, runs: Path, trials: Sequence[Trial], device: str) -> RunDir:
    """The run, with what the study fixes in it before its plan."""
    record = record_of(claim, size, trials)
    run = start(runs, trials, smoke=False, device=device, before=lambda run: write_record(run.claim, record))
    say(f"fixed before it starts: {run.claim}, study {record.sha256[:12]}")
    return run


def _here(trials: Sequence[Trial], parallel: int, gpus: Sequence[str], *, alone: bool) -> Here:
    from lab2.launch.local import most_at_once
    from lab2.measure.cores import available_cores

    threads = max(1, available_cores() // most_at_once(trials[0], len(trials), parallel, gpus))
    digest = os.environ.get("LAB2_IMAGE_DIGEST")
    return Here(host=socket.gethostname(), image_digest=digest, threads=threads, alone=alone)


def show_claim(
    run: RunDir,
    gathered: tuple[Comparison, RunStatus] | None = None,
    *,
    quiet: bool = False,
    figures: bool = False,
) -> None:
    """Print the verdict of the study in `run` and what it rests on, and write its files beside those of the table.

    Raises `ConfigError`, after the table, where the run's record cannot be judged by.
    """
    comparison, unreported = gathered = gathered or gather(run)
    try:
        stated = state(run, comparison)
    except ConfigError:  # nothing is judged, but the trials are what they were
        show_table(run, gathered, quiet=quiet, figures=figures)
        raise
    found = stated.conclusion
    if not quiet:
        paragraph(stated.claim.text, "bold")
        paragraph(f"{found.verdict.value}: {found.sentence}", _STYLES[found.verdict])
        for figure in found.figures:
            paragraph(f"  {figure.name}: {figure.text}")
        for one in found.tables:
            table = Lines(box=SIMPLE_HEAD, pad_edge=False, title=for_terminal(one.title), title_justify="left")
            for number, title in enumerate(one.columns):
                table.add_column(title, justify="right" if number else "left", overflow="fold")
            for row in one.rows:
                table.add_row(*(Text(for_terminal(cell)) for cell in row))
            show(table)
        for text in found.notes:
            note(f"note: {text}")
        for line in provenance(stated):
            paragraph(line, "dim")
        show_warnings(comparison, unreported)
    written, refused = write_study_report(run, stated)
    for error in refused:
        note(f"warning: not written: {error.filename}: {error.strerror}")
    if written:
        paragraph(f"in {run.report}: {', '.join(written)}")
    show_table(run, (comparison, unreported), quiet=True, figures=figures, chapters=(study_chapter(stated),))
