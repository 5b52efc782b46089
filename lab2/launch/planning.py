"""The plan of a run: which trials, checked before anything starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from lab2.data.cache import IMAGENET, cache_folder, pretrained_file
from lab2.data.places import absolute_name
from lab2.errors import ConfigError
from lab2.results.run_dir import RunDir, create_run, new_run_id
from lab2.spec.architectures import NAMED_WEIGHTS, TransferConfig
from lab2.spec.job import DataConfig, JobSpec, Trial
from lab2.spec.overrides import override
from lab2.spec.plan import Plan
from lab2.spec.profile import Profile

# A smoke run sees this much of the data at most: it shows that everything works, and compares nothing.
SMOKE_TRAIN, SMOKE_TEST = 2000, 500  # images


def plan_trials(
    jobs: Sequence[JobSpec],
    seeds: Sequence[int],
    data: DataConfig,
    settings: Sequence[str],
    *,
    smoke: bool,
    profile: Profile | None = None,
) -> list[Trial]:
    """Each job with each seed, with the profile's resources, then the overrides.

    Raises `ConfigError` for an override that does not fit.
    """
    if smoke:
        data = replace(data, train_images=SMOKE_TRAIN, test_images=SMOKE_TEST)
    trials = [Trial(job=job, data=data, seed=seed) for job in jobs for seed in seeds]
    changed = override(profile.applied_to(trials) if profile else trials, settings)
    return [_findable_from_anywhere(trial) for trial in changed]


def _findable_from_anywhere(trial: Trial) -> Trial:
    """The same trial with whole paths, so that it can be resumed from any folder."""
    job = trial.job
    if isinstance(job.model, TransferConfig) and job.model.weights not in NAMED_WEIGHTS:
        weights = str(Path(job.model.weights).expanduser().absolute())
        job = replace(job, model=replace(job.model, weights=weights))
    place, _, name = job.model.code.rpartition(":")
    if place.endswith(".py"):
        whole = {job.model.code_field: f"{Path(place).expanduser().absolute()}:{name}"}
        job = replace(job, model=replace(job.model, **whole))
    return replace(trial, job=job, data=replace(trial.data, dataset=absolute_name(trial.data.dataset)))


def resolve_weights(trials: Sequence[Trial]) -> tuple[list[Trial], str]:
    """`trials` with what "auto" weights are here and now, the same for all seeds, and a line that says so.

    ImageNet's where this machine's cache has them, random ones elsewhere. The line is empty where nothing is "auto".
    """
    resolved: list[Trial] = []
    starts: dict[str, list[str]] = {"pretrained": [], "random": []}
    for trial in trials:
        job, model = trial.job, trial.job.model
        if isinstance(model, TransferConfig) and model.weights == "auto":
            weights = "pretrained" if pretrained_file(model.known_as) else "random"
            starts[weights].append(model.known_as)
            as_said = "imagenet" if weights == "pretrained" and model.known_as in IMAGENET else weights
            job = replace(job, model=replace(model, weights=as_said))
        resolved.append(replace(trial, job=job))
    folder = cache_folder() / "weights"
    there, absent = (list(dict.fromkeys(filter(None, starts[weights]))) for weights in ("pretrained", "random"))
    parts = [f"{', '.join(there)} from {_whose(there, 'weights')} in {folder}"] if there else []
    if absent:
        why = f"{folder} has no others; lab2 prepare {' '.join(absent)} brings {_whose(absent)}"
        parts.append(f"{', '.join(absent)} from random weights ({why})")
    return resolved, f"training starts: {'; '.join(parts)}" if parts else ""


def _whose(names: Sequence[str], what: str = "") -> str:
    known = "ImageNet's" if IMAGENET.keys() >= set(names) else "pre-trained" if what else "pre-trained ones"
    return f"{known} {what}".strip()


def paths_read(trial: Trial) -> list[str]:
    """The files and folders of the user's that `trial` reads: what a container has to be given."""
    model, found = trial.job.model, [trial.data.dataset]
    if isinstance(model, TransferConfig):
        found.append(model.weights)
    if model.code:
        found.append(model.code.rpartition(":")[0])
    pinned = [name.partition(" ")[2] for name in trial.inputs if name.startswith("network ")]  # what it imports, too
    return [path for path in dict.fromkeys([*found, *pinned]) if Path(path).is_absolute()]


def change_resources(run: RunDir, settings: Sequence[str], profile: Profile | None = None) -> Plan:
    """The plan of `run` with other resources for its trials, which change no result; written if they differ.

    First what `profile` gives, then `settings`. Raises `ConfigError` for any other override.
    """
    plan = run.read_plan()
    for setting in settings:
        if not setting.rpartition(":")[2].startswith("resources."):
            raise ConfigError(f"--set {setting}: a run keeps its recipe; only resources.* can change, or start anew")
    if settings or profile:
        given = profile.applied_to(plan.trials) if profile else plan.trials
        plan = replace(plan, trials=tuple(override(given, settings)))
        run.write_plan(plan)
    return plan


def start_run(runs: Path, trials: Sequence[Trial], *, smoke: bool, device: str) -> RunDir:
    """A new run directory with the plan of `trials`. Raises `RunError` where it cannot be made."""
    plan = Plan(
        run_id=new_run_id(runs, trials[0].data.dataset if trials else ""),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        smoke=smoke,
        trials=tuple(trials),
        device=device,
        digests=tuple(trial.digest for trial in trials),
    )
    return create_run(runs, plan)
