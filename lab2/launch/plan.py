"""The plan of a run: which trials, checked before anything starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from lab2.data.places import absolute_name
from lab2.results.run_dir import RunDir, create_run, new_run_id
from lab2.spec.job import DataConfig, JobSpec, Trial
from lab2.spec.overrides import override
from lab2.spec.plan import Plan

# A smoke run sees this much of the data: it shows that everything works, and compares nothing.
SMOKE_TRAIN, SMOKE_VALIDATION, SMOKE_TEST = 2000, 500, 500  # images


def plan_trials(
    jobs: Sequence[JobSpec], seeds: Sequence[int], data: DataConfig, settings: Sequence[str], *, smoke: bool
) -> list[Trial]:
    """Each job with each seed, overrides applied. Raises `ConfigError` for an override that does not fit."""
    data = replace(data, dataset=absolute_name(data.dataset))
    if smoke:
        data = replace(data, train_images=SMOKE_TRAIN, validation_images=SMOKE_VALIDATION, test_images=SMOKE_TEST)
    trials = [Trial(job=job, data=data, seed=seed) for job in jobs for seed in seeds]
    return override(trials, settings)


def start_run(runs: Path, trials: Sequence[Trial], *, smoke: bool, device: str) -> RunDir:
    """A new run directory with the plan of `trials`. Raises `RunError` where it cannot be made."""
    plan = Plan(
        run_id=new_run_id(runs, trials[0].data.dataset if trials else ""),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        smoke=smoke,
        trials=tuple(trials),
        device=device,
    )
    return create_run(runs, plan)
