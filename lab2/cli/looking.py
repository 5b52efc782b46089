"""What `lab2 more` does: plan looks at an open pair, add the seeds of one look after the other, say what was found."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import NoReturn

import typer

from lab2.cli.checking import refuse_changed
from lab2.cli.launching import resubmit, run_here, until_ended
from lab2.cli.options import at_once, named
from lab2.cli.screen import gather, note, paragraph, say, show_table, warn, watch
from lab2.compare import comparison as compared
from lab2.compare.comparison import Pair, Verdict
from lab2.compare.price import Need
from lab2.errors import ConfigError, RunError
from lab2.launch.status import RunStatus, status
from lab2.launch.verdict import BEING_CANCELLED
from lab2.more.design import NothingToAdd, plan_looks
from lab2.more.planned_looks import Asked, PlannedLooks, read_looks, write_looks
from lab2.more.standing import Looked, grown, seeds_at_hand, trials_of_look
from lab2.report.answer import cases_of, found, gained, looks_text, points
from lab2.report.finding import Finding, find
from lab2.results.collect import Comparison
from lab2.results.correctness import Collected
from lab2.results.run_dir import RunDir
from lab2.spec.job import Trial
from lab2.spec.plan import Plan, some_of
from lab2.spec.profile import Profile
from lab2.words import counted


def looks_of(run: RunDir, names: tuple[str, str] | None, asked: Asked) -> PlannedLooks:
    """The looks of `run`: those that it has, or new ones, which are written before any seed is added.

    Ends the command where no seed is to be added: with 0 where the report has decided the pair, with 1 where seeds do
    not help.
    """
    if os.path.lexists(run.looks):
        planned = read_looks(run.looks)
        _refuse_other(run, planned, names, asked)
        return planned
    _refuse_run(run)
    comparison, _ = gather(run)
    finding = find(Collected(run=run, comparison=comparison))
    if names is None:
        raise ConfigError(f"lab2 more {named(run)}: which two? {_open_pairs(finding.judged)}")
    _refuse_imported(comparison.plan, names)
    at_hand = seeds_at_hand(comparison, names)
    judged = _judged(finding, names)
    if not _is_open(judged.pair(*names)):
        _say_decided(judged, names)
    used = [trial.seed for trial in comparison.plan.trials if trial.job.name in names]
    jobs = len({trial.job.name for trial in comparison.plan.trials})
    made = plan_looks(judged, names, at_hand, finding.fixed, asked, used=used, pairs=jobs * (jobs - 1) // 2)
    if isinstance(made, NothingToAdd):
        _say_nothing_helps(judged, names, made)
    refuse_changed(trials_of_look(made, len(made.looks), comparison.plan))
    write_looks(run.looks, made)
    _say_plan(run, made, comparison)
    return made


def go_on(run: RunDir, planned: PlannedLooks, cluster: Profile | None, parallel: int | None) -> None:
    """Add the seeds of the looks that are left until the pair is decided. On Slurm: submit those of the next look.

    Ends the command with 1 where the pair is not decided at the end.
    """
    tried: set[str] = set()
    while True:
        gathered = gather(run)
        looked, margin = _looked(run, gathered[0])
        if looked.over:
            break
        plan = grown(run, planned, looked.complete + 1)
        now = status(run, plan)
        if now.caveat:
            raise ConfigError(
                f"{now.caveat}: running trials cannot be told from lost ones; call lab2 more again when Slurm answers"
            )
        waiting = _waiting(planned, looked.complete + 1, plan, now)
        if not waiting:  # the last of them has ended since the run was read
            continue
        if cluster:
            _submit(run, looked, waiting, cluster, parallel, now)
            return
        if not _run(run, plan, looked, waiting, at_once(parallel), now, tried):
            break
    show_table(run, gathered)
    paragraph(found(looked, margin), "bold")
    if not looked.over:
        names = [trial.name for trial in waiting]
        warn(f"not finished: {some_of(names)}; lab2 more {named(run)} runs it again, and goes on")
    if not looked.decided:
        raise typer.Exit(1)


def _looked(run: RunDir, comparison: Comparison) -> tuple[Looked, float]:
    """What the looks have found by now, and the margin. Raises `RunError` where the pair cannot be compared."""
    finding = find(Collected(run=run, comparison=comparison))
    assert finding.looked is not None  # its file was read, or written, under the lock of the run
    return finding.looked, _judged(finding, finding.looked.planned.decide).margin


def _waiting(planned: PlannedLooks, number: int, plan: Plan, now: RunStatus) -> list[Trial]:
    """The trials of look `number` that have no result."""
    done = {line.trial for line in now.trials if line.finished}
    return [trial for trial in trials_of_look(planned, number, plan) if trial.name not in done]


def _run(
    run: RunDir, plan: Plan, looked: Looked, waiting: Sequence[Trial], parallel: int, now: RunStatus, tried: set[str]
) -> bool:
    """Run on this machine what waits and was not `tried`; False where nothing is left to run."""
    from lab2.check import local_gpus  # loads torch, which a login node has not got

    busy = [line.trial for line in now.trials if line.state == "running"]
    trials = [trial for trial in waiting if trial.name not in {*tried, *busy}]
    if trials:
        refuse_changed(trials)
        say(f"run {plan.run_id}: {counted(len(trials), 'trial')} of {_which(looked)}, {run.path}")
        run_here(run, plan, trials, parallel, local_gpus(plan.device))
        tried.update(trial.name for trial in trials)
    elif those := [trial.name for trial in waiting if trial.name in busy]:
        note(f"waiting for trials that already run: {some_of(those)}")
        watch(run, until_ended(run, plan, those))
        tried.update(those)
    else:
        return False
    return True


def _submit(
    run: RunDir,
    looked: Looked,
    waiting: Sequence[Trial],
    cluster: Profile,
    parallel: int | None,
    now: RunStatus,
) -> None:
    states = {line.trial: line for line in now.trials}
    busy = [trial.name for trial in waiting if states[trial.name].state in ("running", "queued")]
    trials = [trial for trial in waiting if trial.name not in busy]
    if busy:
        ending = all(states[name].reason == BEING_CANCELLED for name in busy)
        note(f"left alone, {BEING_CANCELLED if ending else 'still running or queued'}: {some_of(busy)}")
    if trials:
        refuse_changed(trials)
        say(f"{' and '.join(looked.planned.decide)}: the trials of {_which(looked)}")
        resubmit(run, trials, cluster, parallel, now, any_node=False)
    say(f"when these trials have ended: lab2 more {named(run)} looks at them, and goes on")


def _which(looked: Looked) -> str:
    return f"look {looked.complete + 1} of {len(looked.planned.looks)}"


def _refuse_run(run: RunDir) -> None:
    """Raise `RunError` for a run to which no seeds can be added."""
    plan = run.read_plan()
    if run.study.exists():
        raise RunError(
            f"run {plan.run_id} is a study, whose trials are fixed; train what it found in a run of its own, lab2 "
            f"run-local --jobs {run.tuned}/ --seeds 3, and call lab2 more on that"
        )
    if plan.smoke:
        raise RunError(f"run {plan.run_id} is a smoke run, which compares nothing; start one without --quick")


def _refuse_imported(plan: Plan, names: tuple[str, str]) -> None:
    """Raise `ConfigError` for a row that lab2 cannot train."""
    models = {trial.job.name: trial.job.model for trial in plan.trials}
    if imported := [name for name in names if name in models and models[name].trained_elsewhere]:
        raise ConfigError(
            f"{', '.join(imported)}: imported, so no seeds of it can be trained here; lab2 import a file that has more"
        )


def _refuse_other(run: RunDir, planned: PlannedLooks, names: tuple[str, str] | None, asked: Asked) -> None:
    """Raise `ConfigError` where other looks are asked for than those that are planned."""
    first, second = planned.decide
    had = planned.asked
    wanted = {
        f"--decide {first},{second}": names is None or {*names} == {first, second},
        f"--difference {100 * planned.difference:g}": asked.difference_points is None
        or math.isclose(asked.difference_points, 100 * planned.difference),
        f"--looks {','.join(map(str, planned.counts))}": asked.looks in (None, had.looks, planned.counts),
        f"--most-seeds {had.most_seeds or 'left out'}": asked.most_seeds in (None, had.most_seeds),
    }
    if differ := [option for option, same in wanted.items() if not same]:
        raise ConfigError(
            f"{run.looks}: looks are planned with {', '.join(differ)}, and must not change once seeds have been "
            f"seen; go on with lab2 more {named(run)}, or start a new run of the two jobs"
        )


def _judged(finding: Finding, names: tuple[str, str]) -> compared.Comparison:
    """The comparison, which contains both rows. Raises `RunError` where they cannot be compared."""
    rows = finding.rows
    absent = [name for name in names if name not in rows]
    if finding.judged is None or absent:
        raise RunError(f"{names[0]} and {names[1]} cannot be compared: {'; '.join(finding.notes) or 'no predictions'}")
    return finding.judged


def _is_open(pair: Pair) -> bool:
    """Whether the recipes are still to be told apart: a verdict on single networks (one seed) is not on recipes."""
    return pair.verdict is Verdict.OPEN or bool(pair.uncovered)


def _open_pairs(judged: compared.Comparison | None) -> str:
    pairs = [f"{pair.first},{pair.second}" for pair in judged.pairs if _is_open(pair)] if judged else []
    if not pairs:
        return "no pair of it is open"
    return f"name them with --decide; open: {some_of(pairs)}"


def _say_decided(judged: compared.Comparison, names: tuple[str, str]) -> NoReturn:
    pair = judged.pair(*names)
    pair = pair if pair.difference >= 0 else pair.reversed()
    if pair.verdict is Verdict.BETTER:
        paragraph(f"{pair.first} is already shown to be better than {pair.second} ({gained(pair)}). Nothing is added.")
    else:
        margin = points(judged.margin)
        paragraph(f"{names[0]} and {names[1]} are already equal within the margin of {margin}. Nothing is added.")
    raise typer.Exit(0)


def _say_nothing_helps(judged: compared.Comparison, names: tuple[str, str], nothing: NothingToAdd) -> NoReturn:
    price = nothing.price
    both, apart = f"{names[0]} and {names[1]}", f"a true difference of {points(price.difference)}"
    power = f"with a power of {100 * price.power:.0f} %"
    cases = cases_of(judged)
    if price.need is Need.IMAGES and price.images is not None and price.images > judged.cases:
        paragraph(
            f"{both}: no number of seeds finds {apart} on these {judged.cases:,} {cases} {power}; that takes "
            f"{price.images:,} {cases} or more. Nothing is started. --difference states a larger one."
        )
    else:
        paragraph(
            f"{both} have enough seeds and {cases} to find {apart} {power}: whether they differ by less is open. "
            "Nothing is started. --difference states a smaller one."
        )
    raise typer.Exit(1)


def _say_plan(run: RunDir, planned: PlannedLooks, comparison: Comparison) -> None:
    """Print the plan in plain sentences, with what it costs at most."""
    first, second = planned.decide
    power = "" if planned.power is None else f" with a power of {100 * planned.power:.0f} %"
    paragraph(
        f"{first} and {second}: looks are planned at {looks_text(planned)}, to find a true difference of "
        f"{points(planned.difference)}{power}; {run.looks}"
    )
    had = [len(seeds) for seeds in planned.at_hand.values()]
    if planned.seeds(1) == planned.at_hand:
        paragraph(f"the {min(had)} seeds at hand are the first look; the pair is open there")
    levels = ", ".join(f"{look.level:.2g}" for look in planned.looks)
    paragraph(
        f"it stops at the first look where p is at most {levels} (so all looks, and all {planned.pairs} pairs of the "
        f"run, are wrong in {100 * planned.alpha:.0f} % at most), or where they are shown to be equal within the margin"
    )
    new = {job: sorted({*seeds} - {*planned.at_hand[job]}) for job, seeds in planned.looks[-1].seeds.items()}
    numbers = [f"{job} {those[0]} to {those[-1]}" for job, those in new.items() if those]
    frame = comparison.frame
    seconds = sum(
        len(those) * float(frame.loc[frame["job"] == job, "train_seconds"].mean()) for job, those in new.items()
    )
    paragraph(
        f"new seeds: {' and '.join(numbers)}; at most {planned.new} trials, about {_duration(seconds)} of training "
        "at the speed of the seeds at hand"
    )


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
