"""Makes the plan of a run: its trials, checked before anything starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from lab2.cache import IMAGENET, cache_folder, pretrained_file
from lab2.data.places import absolute_name, folders_read, is_pictures
from lab2.errors import ConfigError
from lab2.results.run_dir import RunDir, create_run, new_run_id
from lab2.spec.architectures import NAMED_WEIGHTS, TransferConfig
from lab2.spec.job import DataConfig, JobSpec, Trial
from lab2.spec.overrides import override, override_data
from lab2.spec.plan import Plan
from lab2.spec.profile import Profile

# A smoke run uses at most this much of the data: it shows that everything works, and its scores mean nothing.
SMOKE_TRAIN, SMOKE_TEST = 2000, 500  # images
SMOKE_LENGTH = 11_000  # `train.images` with which so many images are seen about once


def plan_trials(
    jobs: Sequence[JobSpec],
    seeds: Sequence[int],
    data: DataConfig,
    settings: Sequence[str],
    *,
    smoke: bool,
    profile: Profile | None = None,
) -> list[Trial]:
    """The trials: each job with each seed. The profile's resources are applied first, then the overrides `settings`.

    A recipe that a job has for a data set by its name was made for the whole of it: with `data.train_images` the job's
    recipe for any data is taken. A job that states a side has its pictures decoded at it, so one run may hold several
    sides. A baseline draws nothing by seed: it gets the first seed alone.
    Raises `ConfigError` for an override that no job has, or whose value is impossible.
    """
    if smoke:
        data = replace(data, train_images=SMOKE_TRAIN, test_images=SMOKE_TEST)
    changed = _with_settings(jobs, seeds, data, settings, smoke, profile)
    if not smoke and (part := {trial.job.name for trial in changed if trial.data.train_images is not None}):
        general = [replace(job, recipes={}) if job.name in part else job for job in jobs]
        changed = _with_settings(general, seeds, data, settings, smoke, profile)
    _refuse_two_sides(changed, settings)
    return _with_shared_side([with_side(_with_absolute_paths(trial)) for trial in changed])


def _with_settings(
    jobs: Sequence[JobSpec],
    seeds: Sequence[int],
    data: DataConfig,
    settings: Sequence[str],
    smoke: bool,
    profile: Profile | None,
) -> list[Trial]:
    chosen = [_for_smoke(job.for_dataset(data.dataset), smoke) for job in jobs]
    trials = [
        Trial(job=job, data=data, seed=seed) for job in chosen for seed in (seeds[:1] if job.model.fitted else seeds)
    ]
    return override(profile.applied_to(trials) if profile else trials, settings)


def _for_smoke(job: JobSpec, smoke: bool) -> JobSpec:
    """In a smoke run a length in images is at most `SMOKE_LENGTH`, and a budget that the job file states is none."""
    if not smoke or (job.train.images is None and job.train.budget is None):
        return job
    images = SMOKE_LENGTH if job.train.images is None else min(job.train.images, SMOKE_LENGTH)
    return replace(job, train=replace(job.train, images=images, budget=None))


def data_config(dataset: str, settings: Sequence[str]) -> DataConfig:
    """The data that `dataset` names, with `settings`; raises `ConfigError` for one that is not of the data."""
    return override_data(DataConfig(dataset=absolute_name(dataset)), settings)


def with_side(trial: Trial) -> Trial:
    """The same trial with the side at which its pictures are decoded: its recipe's, the run's, or its network's."""
    side = trial.job.train.image_side or trial.data.image_side
    if side is None and is_pictures(trial.data.dataset):
        side = trial.job.model.decoded_side
    return replace(trial, data=replace(trial.data, image_side=side))


def _with_shared_side(trials: list[Trial]) -> list[Trial]:
    """The same trials; a baseline for which nobody states a side gets the least of the others', decoded anyhow."""
    others = [trial.data.image_side for trial in trials if not trial.job.model.fitted]
    least = min((side for side in others if side), default=None)
    if None in others or least is None:
        return trials
    return [
        replace(trial, data=replace(trial.data, image_side=trial.data.image_side or least))
        if trial.job.model.fitted
        else trial
        for trial in trials
    ]


def _refuse_two_sides(trials: Sequence[Trial], settings: Sequence[str]) -> None:
    """Raise `ConfigError` where a setting of one job's data would be overruled by that job's recipe."""
    own = {trial.job.name: side for trial in trials if (side := trial.job.train.image_side)}
    for setting in settings:
        job, colon, name = setting.partition("=")[0].strip().rpartition(":")
        if colon and name == "data.image_side" and job in own:
            raise ConfigError(
                f"--set {setting}: {job}'s recipe says train.image_side={own[job]}; set {job}:train.image_side instead"
            )


def _with_absolute_paths(trial: Trial) -> Trial:
    """The same trial with absolute paths, so that it can be resumed from any folder."""
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
    """`trials` with weights="auto" replaced, and a message that says by what.

    "auto" becomes "imagenet" where the cache of this machine has ImageNet's weights, otherwise "random". It is decided
    once for the run, so that all seeds start alike. The message is empty where no trial says "auto".
    """
    resolved: list[Trial] = []
    starts: dict[str, list[str]] = {"pretrained": [], "random": []}
    for trial in trials:
        job, model = trial.job, trial.job.model
        if isinstance(model, TransferConfig) and model.weights == "auto":
            weights = "pretrained" if pretrained_file(model.known_as) else "random"
            starts[weights].append(model.known_as)
            as_said = "imagenet" if weights == "pretrained" and model.known_as in IMAGENET else weights
            job = replace(job, model=replace(model, weights=as_said), weights_missing=weights == "random")
        resolved.append(replace(trial, job=job))
    folder = cache_folder() / "weights"
    cached, absent = (list(dict.fromkeys(filter(None, starts[weights]))) for weights in ("pretrained", "random"))
    parts = [f"{', '.join(cached)} from {_whose(cached)} weights in {folder}"] if cached else []
    if absent:
        why = f"{folder} has no others; lab2 prepare {' '.join(absent)} brings {_whose(absent)} weights"
        parts.append(f"{', '.join(absent)} from random weights ({why})")
    return resolved, f"training starts: {'; '.join(parts)}" if parts else ""


def _whose(names: Sequence[str]) -> str:
    return "ImageNet's" if IMAGENET.keys() >= set(names) else "pre-trained"


def paths_read(trial: Trial) -> list[str]:
    """The user's files and folders that `trial` reads, as absolute paths: a container has to mount them."""
    model, found = trial.job.model, folders_read(trial.data.dataset)
    if isinstance(model, TransferConfig):
        found.append(model.weights)
    if model.code:
        found.append(model.code.rpartition(":")[0])
    # The modules that the network imports.
    pinned = [name.partition(" ")[2] for name in trial.inputs if name.startswith("network ")]
    return [path for path in dict.fromkeys([*found, *pinned]) if Path(path).is_absolute()]


def change_resources(run: RunDir, settings: Sequence[str], profile: Profile | None = None) -> Plan:
    """Change the resources of the run's trials and write the plan; returns it. Resources change no result.

    The resources of `profile` are applied first, then `settings`. Raises `ConfigError` for a setting that is not
    `resources.*`.
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


def start_run(
    runs: Path,
    trials: Sequence[Trial],
    *,
    smoke: bool,
    device: str,
    margin: float | None = None,
    command: str = "",
    before: Callable[[RunDir], None] | None = None,
) -> RunDir:
    """Make a new run directory with the plan of `trials`; `before` writes into it what must be there with the plan.

    `margin` is in points of accuracy: a difference that is shown to be smaller counts as equal. `command`: what was
    typed. Raises `RunError` where the directory cannot be made.
    """
    plan = Plan(
        run_id=new_run_id(runs, trials[0].data.dataset if trials else ""),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        smoke=smoke,
        trials=tuple(trials),
        device=device,
        digests=tuple(trial.digest for trial in trials),
        margin_points=margin,
        command=command,
    )
    return create_run(runs, plan, before)
