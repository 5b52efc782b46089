"""The plan of a run: every trial with its whole configuration, written before any trial starts.

The launcher runs the trials of the plan, and the collector compares the shards with it. Both import it from here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby

from pydantic import TypeAdapter

from lab2.errors import ConfigError
from lab2.foreign_text import one_line
from lab2.spec.checks import require
from lab2.spec.job import DataConfig, JobSpec, Trial

PLAN_SCHEMA = 2


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The trials of one run, in the order of the table."""

    run_id: str
    created_at: str  # UTC, ISO 8601
    smoke: bool  # a smoke run on a fraction of the data: its scores are no comparison
    trials: tuple[Trial, ...]
    device: str = "auto"
    digests: tuple[str, ...] = ()  # of the trials, computed by the version of lab2 that made the plan
    # Points of accuracy: a difference that is shown to be smaller counts as equal. None: 100 / sqrt(test images), at
    # least 0.1.
    margin_points: float | None = None
    command: str = ""  # that was typed to start the run, as a shell takes it; "": not known, or no command was

    def __post_init__(self) -> None:
        check_margin(self.margin_points)
        if len(set(self.names)) < len(self.names):
            twins = sorted(name for name, count in Counter(self.names).items() if count > 1)
            raise ConfigError(f"plan: {', '.join(twins)} more than once; give each seed once")
        if not self.trials:
            raise ConfigError("plan: no trial; choose at least one job and one seed")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the trials, in the order of the plan."""
        return tuple(trial.name for trial in self.trials)

    def trial(self, name: str) -> Trial:
        """The trial of that name. Raises `ConfigError` where there is none; its message lists the trials."""
        match = next((trial for trial in self.trials if trial.name == name), None)
        if match is None:
            raise ConfigError(f"run {self.run_id} has no trial {name!r}; there are: {', '.join(self.names)}")
        return match

    def expects(self, trial: Trial, digest: str) -> bool:
        """Whether `digest` is that of `trial`, as this version or as the version that made the plan computes it."""
        return digest == self._planned.get(trial.name) or digest == trial.digest

    @cached_property
    def _planned(self) -> dict[str, str]:
        return dict(zip(self.names, self.digests, strict=False))


def check_margin(points: float | None) -> float | None:
    """The margin, where it is one or none is stated. Raises `ConfigError` outside of (0, 100)."""
    require(
        points is None or 0 < points < 100,
        f"--margin {points}: wanted points of accuracy between 0 and 100, such as 0.2; a difference that is shown to "
        "be smaller counts as equal",
    )
    return points


def some_of(trials: Sequence[str]) -> str:
    """The first three of the names `trials`, and the number of the others, as a text."""
    return ", ".join(trials[:3]) + (f" and {len(trials) - 3} more" if len(trials) > 3 else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seeds:
    """Trials that differ only in their seed, as the file stores them: their job is written once."""

    job: JobSpec
    data: DataConfig
    seeds: tuple[int, ...]
    digests: tuple[str, ...]  # one per seed, or none
    inputs: dict[str, str] = field(default_factory=dict)  # plans of older versions have none
    search: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """The content of a plan's file."""

    run_id: str
    created_at: str
    smoke: bool
    device: str
    jobs: tuple[_Seeds, ...]
    schema: int = PLAN_SCHEMA
    margin_points: float | None = None  # plans of older versions have none
    command: str = ""  # the same


_FILE: TypeAdapter[_File] = TypeAdapter(_File)


def dump_plan(plan: Plan) -> bytes:
    """`plan` as JSON."""
    jobs, start = [], 0
    for (job, data, inputs, search), group in groupby(
        plan.trials, key=lambda trial: (trial.job, trial.data, trial.inputs, trial.search)
    ):
        seeds = tuple(trial.seed for trial in group)
        digests = plan.digests[start : start + len(seeds)]
        jobs.append(_Seeds(job=job, data=data, seeds=seeds, digests=digests, inputs=inputs, search=search))
        start += len(seeds)
    file = _File(
        run_id=plan.run_id,
        created_at=plan.created_at,
        smoke=plan.smoke,
        device=plan.device,
        jobs=tuple(jobs),
        margin_points=plan.margin_points,
        command=plan.command,
    )
    return _FILE.dump_json(file, indent=2)


def load_plan(text: bytes) -> Plan:
    """The plan in a text that `dump_plan` made. Raises pydantic's `ValidationError` or `ConfigError` for any other."""
    file = _FILE.validate_json(text)
    return Plan(
        run_id=one_line(file.run_id),
        created_at=file.created_at,
        smoke=file.smoke,
        device=file.device,
        trials=tuple(
            Trial(job=entry.job, data=entry.data, seed=seed, inputs=entry.inputs, search=entry.search)
            for entry in file.jobs
            for seed in entry.seeds
        ),
        digests=tuple(digest for entry in file.jobs for digest in entry.digests),
        margin_points=file.margin_points,
        command=one_line(file.command),
    )
