"""lab2 from Python: `lab2.run` trains one trial in this process and returns its shard."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lab2.check import check_trials
from lab2.launch.planning import plan_trials, resolve_weights, start_run
from lab2.measure.inputs import pinned
from lab2.results.shard import Shard
from lab2.spec.budget import with_budget
from lab2.spec.catalogue import default_folder, find_jobs
from lab2.spec.job import DataConfig, JobSpec
from lab2.trial import run_trial


def run(
    job: JobSpec | str,
    *,
    dataset: str = "mnist",
    seed: int = 1,
    settings: Sequence[str] = (),
    budget: str | None = None,
    device: str = "auto",
    runs: Path | str = "runs",
) -> Shard:
    """Train one trial, measure it, and return its shard, which also lies in a run of its own in the folder `runs`.

    `job` is a `JobSpec`, or the name of a job in the default folder; `dataset`, `settings` and `budget` are as
    `--dataset`, `--set` and `--budget` of the command take them. A training that fails gives a shard whose `status` and
    `reason` say so. Raises `Lab2Error` for what cannot be trained at all, and `KeyboardInterrupt` at Ctrl-C.

    In a script, call it under `if __name__ == "__main__":` if the data are pictures: the processes that read them
    import the script anew.

    It trains in this process: a command sets variables for the allocation of memory that are read when a process
    starts, and is faster for large networks.
    """
    chosen = [job] if isinstance(job, JobSpec) else [entry.job for entry in find_jobs(default_folder(), [job])]
    asked = with_budget(settings, budget)
    trials, _ = resolve_weights(plan_trials(chosen, [seed], DataConfig(dataset=dataset), asked, smoke=False))
    (trial,) = pinned(trials, check_trials(trials, device))
    shard = run_trial(trial, start_run(Path(runs), [trial], smoke=False, device=device), device=device)
    if shard.status == "cancelled":
        raise KeyboardInterrupt(shard.reason)
    return shard
