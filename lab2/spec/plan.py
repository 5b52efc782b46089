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
    schema: int = PLAN_SCHEMA

    def __post_init__(self) -> None:
        names = [trial.name for trial in self.trials]
        twins = sorted({name for name in names if names.count(name) > 1})
        if twins:
            raise ConfigError(f"plan: {', '.join(twins)} more than once; give each seed once")
        if not names:
            raise ConfigError("plan: no trial; choose at least one job and one seed")


PLAN: TypeAdapter[Plan] = TypeAdapter(Plan)
