"""What became of each trial, from what it leaves on disk and what Slurm says: no process has to stay for it.

In this order: a shard is the end. What Slurm has in hand is not at its end, whatever an earlier attempt left.
Then the exit code that the batch script noted, with the reason that Slurm gives; then Slurm's word alone;
then nothing but the trial's own last note.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

from lab2.errors import ShardError
from lab2.foreign_text import keep_visible
from lab2.launch.batch import GO_ON, TERMINATED, Exit, cancelled_jobs, read_exits
from lab2.launch.logs import last_lines
from lab2.launch.scheduler import Answer, JobState, ask, ask_accounting
from lab2.launch.submission import latest_jobs, read_submissions
from lab2.launch.verdict import verdict
from lab2.results.journal import Progress, read_progress
from lab2.results.run_dir import RunDir
from lab2.results.shard import Status, read_shard
from lab2.results.trial_lock import is_held
from lab2.spec.job import Trial
from lab2.spec.plan import Plan

_TABLE_WORDS: dict[str, Status] = {
    "failed": "failed",
    "timeout": "timeout",
    "out_of_memory": "out_of_memory",
    "cancelled": "cancelled",
}
BEING_CANCELLED = "being cancelled"
_SLURM_STARTS = ("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT")


@dataclass(frozen=True, slots=True)
class TrialStatus:
    """Where a trial stands.

    `state` is a shard's status; or waiting (not started), queued (by Slurm), running; or lost (it ended, and
    left no reason), stuck (Slurm will never start it).
    """

    trial: str
    state: str
    reason: str = ""
    progress: Progress | None = None
    node: str = ""

    def __post_init__(self) -> None:
        keep_visible(self)

    @property
    def finished(self) -> bool:
        """Whether it needs no further run."""
        return self.state == "ok"

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of it by itself."""
        return self.state not in ("waiting", "queued", "running")


@dataclass(frozen=True, slots=True)
class RunStatus:
    """Where trials of a run stand, in the plan's order, and why this may not be the newest."""

    trials: list[TrialStatus]
    caveat: str = ""

    def told(self) -> dict[str, tuple[Status, str]]:
        """What a table says of the trials that left no shard."""
        return {t.trial: (_TABLE_WORDS.get(t.state, "missing"), t.reason or f"it is {t.state}") for t in self.trials}


def status(run: RunDir, plan: Plan, trials: Sequence[Trial] | None = None) -> RunStatus:
    """Of `trials`, or all. Any process that can read the run may ask, whoever launched the trials."""
    trials = plan.trials if trials is None else trials
    submissions = read_submissions(run)
    if not submissions:
        return RunStatus([trial_status(run, plan, trial) for trial in trials])
    jobs = latest_jobs(submissions)
    shards = {trial.name: _from_shard(run, plan, trial) for trial in trials}
    open_jobs = {jobs[name] for name, known in shards.items() if known is None and name in jobs}
    exits, cancelled = read_exits(run), cancelled_jobs(run)
    answer = Answer()
    if open_jobs:
        answer = ask(run, sorted({s.job_name for s in submissions}))
        if not answer.failure:
            forgotten = [j for j in open_jobs if j not in answer.listed and not _over(answer.jobs.get(j))]
            answer = ask_accounting(run, answer, [j for j in forgotten if j not in exits])
    lines = [
        shards[trial.name] or _on_slurm(run, plan, trial, jobs.get(trial.name), answer, exits, cancelled)
        for trial in trials
    ]
    return RunStatus(lines, _caveat(answer))


def trial_status(run: RunDir, plan: Plan, trial: Trial) -> TrialStatus:
    """Of a trial that was launched on this machine."""
    progress = read_progress(run, trial.name)
    if is_held(run.lock(trial.name)):
        return TrialStatus(trial.name, "running", progress=progress)
    if (known := _from_shard(run, plan, trial)) is not None:
        return known
    if progress is not None:
        return TrialStatus(trial.name, "lost", "its process ended without a result; resume it", progress)
    if is_held(run.launcher):
        return TrialStatus(trial.name, "waiting")
    return TrialStatus(trial.name, "lost", "it has not started, and nobody is launching this run; resume it")


def _from_shard(run: RunDir, plan: Plan, trial: Trial) -> TrialStatus | None:
    path = run.shard(trial.name)
    if not os.path.lexists(path):  # a link that leads nowhere is there, and no shard
        return None
    progress = read_progress(run, trial.name)
    try:
        shard = read_shard(path)
    except ShardError as error:
        return TrialStatus(trial.name, "lost", f"its shard cannot be believed: {error}", progress)
    if not plan.expects(trial, shard.digest):
        return TrialStatus(trial.name, "lost", "its shard is of another configuration", progress)
    return TrialStatus(trial.name, shard.status, shard.reason, progress)


def _on_slurm(
    run: RunDir,
    plan: Plan,
    trial: Trial,
    job_id: str | None,
    answer: Answer,
    exits: dict[str, Exit],
    cancelled: set[str],
) -> TrialStatus:
    """Of a trial without a shard."""
    if job_id is None:
        if is_held(run.launcher):
            return TrialStatus(trial.name, "waiting", "about to be handed to Slurm")
        return TrialStatus(trial.name, "lost", "it was never handed to Slurm; resume it")
    progress = read_progress(run, trial.name)
    said, left = answer.jobs.get(job_id), exits.get(job_id)
    if answer.failure:
        silent = left is None or left.exit_code in (GO_ON, TERMINATED)
        said = said or (JobState(state="PENDING", reason="handed to Slurm; not heard of since") if silent else None)
        active = said is not None and said.active and silent
    else:
        active = said is not None and said.active and job_id in answer.listed
    if said is None or not active:
        state, reason = verdict(job_id, said, left, last_lines(run, trial, job_id))
        if job_id in cancelled:
            state, reason = "cancelled", "cancelled with lab2 cancel"
        node = (left.node if left else "") or (said.node if said else "")
        # It may have ended well between the look for its shard and Slurm's answer.
        return _from_shard(run, plan, trial) or TrialStatus(trial.name, state, reason, progress, node)
    if said.hopeless:
        return TrialStatus(trial.name, "stuck", f"Slurm will not start job {job_id}: {said.reason}", progress)
    if said.state in _SLURM_STARTS:
        again = f"goes on after an interruption on {left.node}; " if left else ""
        return TrialStatus(trial.name, "queued", f"{again}{said.reason}", progress)
    why = BEING_CANCELLED if job_id in cancelled else ""
    return TrialStatus(trial.name, "running", why, progress, said.node)


def _caveat(answer: Answer) -> str:
    if not answer.failure:
        return ""
    if not answer.asked_at:
        return f"{answer.failure}; it has not answered yet"
    minutes = (time.time() - answer.asked_at) / 60
    return f"{answer.failure}; this is what Slurm said {minutes:.0f} min ago, and what the trials wrote since"


def _over(said: JobState | None) -> bool:
    return said is not None and not said.active
