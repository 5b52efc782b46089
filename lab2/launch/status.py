"""The status of each trial, from its files on disk and from Slurm. No process has to keep running to know it.

A trial with a shard has ended. Without a shard, `verdict.py` decides about a Slurm job. About a trial on this machine
its lock and its last progress note decide.
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
    """The status of one trial.

    `state` is the status in its shard, or one of: waiting (not started), queued (by Slurm), running, lost (ended
    without a shard or a known reason), stuck (Slurm will never start it).
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
        """Whether the trial has a result and need not run again."""
        return self.state == "ok"

    @property
    def ended(self) -> bool:
        """Whether the state will not change unless somebody acts."""
        return self.state not in ("waiting", "queued", "running")


@dataclass(frozen=True, slots=True)
class RunStatus:
    """The status of a run's trials, in the plan's order, and why it may be out of date (empty if it is not)."""

    trials: list[TrialStatus]
    caveat: str = ""

    def explain_missing(self) -> dict[str, tuple[Status, str]]:
        """By trial: the status and reason that a table shows if the trial left no shard."""
        return {t.trial: (_TABLE_WORDS.get(t.state, "missing"), t.reason or f"it is {t.state}") for t in self.trials}


def status(run: RunDir, plan: Plan, trials: Sequence[Trial] | None = None) -> RunStatus:
    """The status of `trials`, by default of all trials of the plan.

    It needs only read access to the run: it does not matter which process launched the trials. Raises `RunError` for a
    submission record that cannot be read.
    """
    trials = plan.trials if trials is None else trials
    submissions = read_submissions(run)
    if not submissions:
        return RunStatus([trial_status(run, plan, trial) for trial in trials])
    jobs = latest_jobs(submissions)
    from_shards = {trial.name: _from_shard(run, plan, trial) for trial in trials}
    open_jobs = {jobs[name] for name, ended in from_shards.items() if ended is None and name in jobs}
    exit_notes, cancelled = read_exit_notes(run), cancelled_jobs(run)
    answer = Answer()
    if open_jobs:
        answer = query_queue(run, sorted({s.job_name for s in submissions}))
        if not answer.failure:
            forgotten = [j for j in open_jobs if j not in answer.listed and not _is_over(answer.jobs.get(j))]
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

    statuses = [from_shards[trial.name] or _on_slurm(run, plan, trial, evidence(trial)) for trial in trials]
    return RunStatus(statuses, _caveat(answer))


def trial_status(run: RunDir, plan: Plan, trial: Trial) -> TrialStatus:
    """The status of a trial that was launched on this machine."""
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
    if not os.path.lexists(path):  # a broken link counts as a shard that cannot be read
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
    """The status of a trial without a shard in a run on Slurm; `evidence` is None if the trial was never submitted."""
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
    # The trial may have written its shard between the first check and the scheduler query.
    return _from_shard(run, plan, trial) or TrialStatus(trial.name, state, reason, progress, evidence.node)


def _caveat(answer: Answer) -> str:
    if not answer.failure:
        return ""
    if not answer.asked_at:
        return f"{answer.failure}; it has not answered yet"
    minutes = (time.time() - answer.asked_at) / 60
    return f"{answer.failure}; this is what Slurm said {minutes:.0f} min ago, and what the trials wrote since"


def _is_over(state: JobState | None) -> bool:
    return state is not None and not state.active
