"""What became of each trial, from the files that it leaves: shard, then lock, then note."""

from __future__ import annotations

from dataclasses import dataclass

from lab2.errors import ShardError
from lab2.results.journal import Progress, read_progress
from lab2.results.run_dir import RunDir
from lab2.results.shard import read_shard
from lab2.results.trial_lock import is_held
from lab2.spec.job import Trial
from lab2.spec.plan import Plan


@dataclass(frozen=True, slots=True)
class TrialStatus:
    """Where a trial stands. `state` is a shard's status, or waiting, running or lost."""

    trial: str
    state: str
    reason: str = ""
    progress: Progress | None = None

    @property
    def finished(self) -> bool:
        """Whether it needs no further run."""
        return self.state == "ok"

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of it by itself."""
        return self.state not in ("waiting", "running")


def status(run: RunDir, plan: Plan) -> list[TrialStatus]:
    """One line for each trial of the plan, in its order."""
    return [trial_status(run, trial) for trial in plan.trials]


def trial_status(run: RunDir, trial: Trial) -> TrialStatus:
    """Reads only what is on disk, so any process on this machine may ask, whoever launched the trial."""
    progress = read_progress(run, trial.name)
    if is_held(run.lock(trial.name)):
        return TrialStatus(trial.name, "running", progress=progress)
    path = run.shard(trial.name)
    if path.exists():
        try:
            shard = read_shard(path)
        except ShardError as error:
            return TrialStatus(trial.name, "lost", f"its shard cannot be believed: {error}", progress)
        if shard.digest != trial.digest:
            return TrialStatus(trial.name, "lost", "its shard is of another configuration", progress)
        return TrialStatus(trial.name, shard.status, shard.reason, progress)
    if progress is not None:
        return TrialStatus(trial.name, "lost", "its process ended without a result; resume it", progress)
    return TrialStatus(trial.name, "waiting")
