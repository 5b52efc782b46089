"""What a run is expected to produce: every trial with its whole configuration, written before any starts.

It lives below both the launcher, which works it off, and the collector, which holds the shards against it.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import TypeAdapter

from lab2.errors import ConfigError
from lab2.spec.job import Trial

PLAN_SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The trials of one run, in the order of the table."""

    run_id: str
    created_at: str  # UTC, ISO 8601
    smoke: bool  # a fraction of the data, to see that everything works: not a comparison
    trials: tuple[Trial, ...]
    device: str = "auto"
    digests: tuple[str, ...] = ()  # of the trials, as the version of lab2 that planned them computed them
    schema: int = PLAN_SCHEMA

    def __post_init__(self) -> None:
        names = [trial.name for trial in self.trials]
        twins = sorted({name for name in names if names.count(name) > 1})
        if twins:
            raise ConfigError(f"plan: {', '.join(twins)} more than once; give each seed once")
        if not names:
            raise ConfigError("plan: no trial; choose at least one job and one seed")

    def trial(self, name: str) -> Trial:
        """The trial of that name; raises `ConfigError` that lists what there is."""
        found = next((trial for trial in self.trials if trial.name == name), None)
        if found is None:
            there = ", ".join(trial.name for trial in self.trials)
            raise ConfigError(f"run {self.run_id} has no trial {name!r}; there are: {there}")
        return found

    def expects(self, trial: Trial, digest: str) -> bool:
        """Whether a shard of that digest is of `trial`: as this version computes it, or the one that planned it."""
        planned = dict(zip((t.name for t in self.trials), self.digests, strict=False))
        return digest in (trial.digest, planned.get(trial.name))


PLAN: TypeAdapter[Plan] = TypeAdapter(Plan)
