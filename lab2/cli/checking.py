"""Decisions before anything starts: the plan, its inputs, and which trials another run has already finished."""

from __future__ import annotations

from collections.abc import Sequence

from lab2.cli.screen import err, say, warn
from lab2.data.places import NAMED, open_source
from lab2.errors import DataError, InputError
from lab2.launch.planning import plan_trials, resolve_weights
from lab2.launch.reuse import Here, reuse
from lab2.measure.inputs import check_inputs, pinned
from lab2.measure.provenance import source_commit
from lab2.results.run_dir import RunDir
from lab2.spec.job import DataConfig, JobSpec, Trial
from lab2.spec.plan import some_of
from lab2.spec.profile import Profile


def planned(
    jobs: Sequence[JobSpec],
    seeds: Sequence[int],
    dataset: str,
    settings: Sequence[str] | None,
    *,
    smoke: bool = False,
    profile: Profile | None = None,
) -> list[Trial]:
    """The trials that the options ask for. Where the weights are "auto", it prints what that means here."""
    trials = plan_trials(jobs, seeds, DataConfig(dataset=dataset), settings or [], smoke=smoke, profile=profile)
    trials, starts = resolve_weights(trials)
    if starts:
        say(starts)
    return trials


def check_here(trials: Sequence[Trial], device: str) -> tuple[list[Trial], list[str]]:
    """Refuse what cannot work. Returns `trials` with the digests of their inputs, and the GPUs that they share."""
    from lab2.check import check_trials, local_gpus

    with err.status("reading the data"):
        digests = check_trials(trials, device)
    _say_facts(trials)
    return pinned(trials, digests), local_gpus(device)


def check_for_elsewhere(trials: Sequence[Trial], profile: Profile) -> list[Trial]:
    """The same on a machine that only submits, where torch may not be installed."""
    from lab2.data.datasets import check_data

    try:
        from lab2.check import check_trials

        with err.status("reading the data"):
            digests = check_trials(trials, "cpu")
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "torchvision"):
            raise
        digests = {trial.data: data.sha256 for trial, data in check_data(trials)}
        say("torch is not installed here: the models are checked where they run", "dim")
    _say_facts(trials)
    return pinned(trials, digests, elsewhere=bool(profile.python or profile.container))


def _say_facts(trials: Sequence[Trial]) -> None:
    """What whoever starts a run must know of its data."""
    facts_of = {one: open_source(one).facts for one in dict.fromkeys(trial.data.unfolded for trial in trials)}
    for remark in dict.fromkeys(remark for facts in facts_of.values() for remark in facts.remarks):
        warn(remark)
    for config, facts in facts_of.items():
        of_it = [one.job for one in trials if one.data.unfolded == config]
        detectors = list(dict.fromkeys(job.name for job in of_it if job.model.detects))
        if detectors and not facts.boxes:
            say(
                f"{some_of(detectors)}: {config.dataset} has no boxes: trained, and mAP measured, on scenes that are "
                "composed of its images",
                "dim",
            )


def refuse_changed(trials: Sequence[Trial]) -> None:
    """Raise `InputError` where what `trials` read is not what it was when they were planned, or cannot be trained."""
    if imported := [trial.name for trial in trials if trial.job.model.trained_elsewhere]:
        raise InputError(
            f"{some_of(imported)}: imported, so it cannot be trained here; lab2 import its predictions again"
        )
    digests: dict[DataConfig, str | None] = {}
    for trial in trials:
        if trial.inputs and trial.data.source not in digests:
            digests[trial.data.source] = _dataset_now(trial.data)
    checked: list[Trial] = []
    for trial in trials:
        if not checked or (trial.job, trial.inputs) != (checked[-1].job, checked[-1].inputs):
            check_inputs(trial, digests.get(trial.data.source))
            checked.append(trial)


def _dataset_now(config: DataConfig) -> str | None:
    try:
        return open_source(config).sha256()
    except DataError:
        if config.dataset in NAMED:  # the nodes may have it in a cache that is not this machine's, and look themselves
            return None
        raise


def take_over(run: RunDir, trials: list[Trial], place: Profile | Here, device: str) -> list[Trial]:
    """Take over trials that other runs have finished, and say why others are not taken over. Returns the rest."""
    commit, changed = source_commit()
    found = reuse(run, trials, place, device=device, commit=None if changed else commit)
    names: dict[tuple[str, str], list[str]] = {}
    for one in found:
        names.setdefault((one.run, one.against), []).append(one.trial)
    for (source, against), which in names.items():
        if against:
            say(f"{some_of(which)}: run again: finished in run {source}, {against}")
        else:
            say(f"{some_of(which)}: finished in run {source}, taken from there (--rerun: run it again)")
    taken = {one.trial for one in found if not one.against}
    return [trial for trial in trials if trial.name not in taken]
