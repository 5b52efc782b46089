"""What became of each trial, from what it leaves on disk and what Slurm says: no process has to stay for it.

A shard is the end of a trial. Without one, `verdict.py` decides about a job of Slurm, and the trial's lock and last
note about one on this machine.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lab2.errors import ShardError
from lab2.file_lock import is_held
from lab2.foreign_text import keep_visible
from lab2.launch.batch import cancelled_jobs, read_exit_notes
from lab2.launch.logs import last_lines
from lab2.launch.scheduler import Answer, JobState, query_accounting, query_queue
from lab2.launch.submission import latest_jobs, read_submissions
from lab2.launch.verdict import Evidence, decide
from lab2.results.journal import Progress, read_progress
from lab2.results.run_dir import RunDir
from lab2.results.shard import Status, read_shard
from lab2.spec.job import Trial
from lab2.spec.plan import Plan

_TABLE_WORDS: dict[str, Status] = {
    "failed": "failed",
    "timeout": "timeout",
    "out_of_memory": "out_of_memory",
    "cancelled": "cancelled",
}


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

    def explain_missing(self) -> dict[str, tuple[Status, str]]:
        """Status and reason that a table gives to the trials that left no shard."""
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
    exit_notes, cancelled = read_exit_notes(run), cancelled_jobs(run)
    answer = Answer()
    if open_jobs:
        answer = query_queue(run, sorted({s.job_name for s in submissions}))
        if not answer.failure:
            forgotten = [j for j in open_jobs if j not in answer.listed and not _over(answer.jobs.get(j))]
            answer = query_accounting(run, answer, [j for j in forgotten if j not in exit_notes])

    def evidence(trial: Trial) -> Evidence | None:
        if (job_id := jobs.get(trial.name)) is None:
            return None
        return Evidence(
            job_id=job_id,
            job_state=answer.jobs.get(job_id),
            listed=job_id in answer.listed,
            answered=not answer.failure,
            exit_note=exit_notes.get(job_id),
            cancelled=job_id in cancelled,
        )

    lines = [shards[trial.name] or _on_slurm(run, plan, trial, evidence(trial)) for trial in trials]
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


def _on_slurm(run: RunDir, plan: Plan, trial: Trial, evidence: Evidence | None) -> TrialStatus:
    """Of a trial without a shard; no evidence: it was never handed to Slurm."""
    if evidence is None:
        if is_held(run.launcher):
            return TrialStatus(trial.name, "waiting", "about to be handed to Slurm")
        return TrialStatus(trial.name, "lost", "it was never handed to Slurm; resume it")
    active = evidence.active_state
    if active is None:
        evidence = replace(evidence, log=last_lines(run, trial, evidence.job_id))
    state, reason = decide(evidence)
    progress = read_progress(run, trial.name)
    if active is not None:
        return TrialStatus(trial.name, state, reason, progress, active.node if state == "running" else "")
    # Its shard may have come between the first look for it and Slurm's answer.
    return _from_shard(run, plan, trial) or TrialStatus(trial.name, state, reason, progress, evidence.node)


def _caveat(answer: Answer) -> str:
    if not answer.failure:
        return ""
    if not answer.asked_at:
        return f"{answer.failure}; it has not answered yet"
    minutes = (time.time() - answer.asked_at) / 60
    return f"{answer.failure}; this is what Slurm said {minutes:.0f} min ago, and what the trials wrote since"


def _over(said: JobState | None) -> bool:
    return said is not None and not said.active
