"""What a run is expected to produce: every trial with its whole configuration, written before any starts.

It lives below both the launcher, which works it off, and the collector, which holds the shards against it.
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
from lab2.spec.job import DataConfig, JobSpec, Trial

PLAN_SCHEMA = 2


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The trials of one run, in the order of the table."""

    run_id: str
    created_at: str  # UTC, ISO 8601
    smoke: bool  # a fraction of the data, to see that everything works: not a comparison
    trials: tuple[Trial, ...]
    device: str = "auto"
    digests: tuple[str, ...] = ()  # of the trials, as the version of lab2 that planned them computed them

    def __post_init__(self) -> None:
        if len(set(self.names)) < len(self.names):
            twins = sorted(name for name, count in Counter(self.names).items() if count > 1)
            raise ConfigError(f"plan: {', '.join(twins)} more than once; give each seed once")
        if not self.trials:
            raise ConfigError("plan: no trial; choose at least one job and one seed")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of the trials, in their order."""
        return tuple(trial.name for trial in self.trials)

    def trial(self, name: str) -> Trial:
        """The trial of that name; raises `ConfigError` that lists what there is."""
        found = next((trial for trial in self.trials if trial.name == name), None)
        if found is None:
            there = ", ".join(self.names)
            raise ConfigError(f"run {self.run_id} has no trial {name!r}; there are: {there}")
        return found

    def expects(self, trial: Trial, digest: str) -> bool:
        """Whether a shard of that digest is of `trial`: as the version computed it that planned it, or as this does."""
        return digest == self._planned.get(trial.name) or digest == trial.digest

    @cached_property
    def _planned(self) -> dict[str, str]:
        return dict(zip(self.names, self.digests, strict=False))


def some_of(trials: Sequence[str]) -> str:
    """The first of the names `trials`, and how many there are besides."""
    return ", ".join(trials[:3]) + (f" and {len(trials) - 3} more" if len(trials) > 3 else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seeds:
    """Trials that differ in nothing but their seed: a job stands in the file once, however often it is run."""

    job: JobSpec
    data: DataConfig
    seeds: tuple[int, ...]
    digests: tuple[str, ...]  # one a seed, or none
    inputs: dict[str, str] = field(default_factory=dict)  # plans of older versions have none


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    run_id: str
    created_at: str
    smoke: bool
    device: str
    jobs: tuple[_Seeds, ...]
    schema: int = PLAN_SCHEMA


_FILE: TypeAdapter[_File] = TypeAdapter(_File)


def dump_plan(plan: Plan) -> bytes:
    """`plan` as JSON."""
    jobs, start = [], 0
    for (job, data, inputs), group in groupby(plan.trials, key=lambda trial: (trial.job, trial.data, trial.inputs)):
        seeds = tuple(trial.seed for trial in group)
        digests = plan.digests[start : start + len(seeds)]
        jobs.append(_Seeds(job=job, data=data, seeds=seeds, digests=digests, inputs=inputs))
        start += len(seeds)
    file = _File(run_id=plan.run_id, created_at=plan.created_at, smoke=plan.smoke, device=plan.device, jobs=tuple(jobs))
    return _FILE.dump_json(file, indent=2)


def load_plan(text: bytes) -> Plan:
    """What `dump_plan` wrote; raises pydantic's `ValidationError`, or `ConfigError`, for anything else."""
    file = _FILE.validate_json(text)
    return Plan(
        run_id=one_line(file.run_id),
        created_at=file.created_at,
        smoke=file.smoke,
        device=file.device,
        trials=tuple(
            Trial(job=one.job, data=one.data, seed=seed, inputs=one.inputs) for one in file.jobs for seed in one.seeds
        ),
        digests=tuple(digest for one in file.jobs for digest in one.digests),
    )
