"""Scheduler queries: one squeue for all jobs of a run, one sacct for those that squeue no longer lists.

The last answer is saved in the run. It is used for jobs that Slurm has forgotten, and where Slurm does not answer.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from pydantic import TypeAdapter, ValidationError

from lab2.foreign_text import keep_visible
from lab2.regular_file import LISTS, read_regular
from lab2.results.run_dir import RunDir
from lab2.whole_file import write_whole

TIMEOUT_SECONDS = 30
# States of a job that is not over. Source: "JOB STATE CODES" in squeue(1), Slurm 22.05.
ACTIVE = frozenset(
    """PENDING RUNNING COMPLETING CONFIGURING SUSPENDED STOPPED REQUEUED REQUEUE_FED REQUEUE_HOLD SPECIAL_EXIT
    RESIZING RESV_DEL_HOLD SIGNALING STAGE_OUT""".split()
)
# Reasons for which a pending job never starts by itself. Source: "JOB REASON CODES" in squeue(1), Slurm 22.05.
HOPELESS = frozenset(
    """PartitionConfig PartitionNodeLimit PartitionTimeLimit BadConstraints
    DependencyNeverSatisfied InvalidAccount InvalidQOS AccountNotAllowed QOSNotAllowed JobHeldAdmin JobHeldUser
    QOSMaxCpuPerJobLimit QOSMaxMemoryPerJob QOSMaxWallDurationPerJobLimit
    AssocMaxWallDurationPerJobLimit""".split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """What Slurm reported about one job."""

    state: str  # Slurm's word: PENDING, RUNNING, TIMEOUT, ...
    reason: str = ""  # why it waits, or why it ended
    node: str = ""

    def __post_init__(self) -> None:
        keep_visible(self)

    @property
    def active(self) -> bool:
        """Whether the job is not over: it waits, runs or is being requeued."""
        return self.state in ACTIVE

    @property
    def hopeless(self) -> bool:
        """Whether the job waits and will never start unless somebody acts."""
        held = self.reason in HOPELESS or " held" in self.reason  # "launch failed requeued held" and the like
        return self.state in ("PENDING", "REQUEUE_HOLD", "SPECIAL_EXIT") and held


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The latest known state of each job of a run, and why it may be out of date."""

    jobs: dict[str, JobState] = field(default_factory=dict)
    listed: frozenset[str] = frozenset()  # the jobs in the last answer of squeue
    asked_at: float = 0.0  # Unix time of that answer
    failure: str = ""  # why there is no newer answer; empty if this is the newest

    def __post_init__(self) -> None:
        keep_visible(self)


_ANSWER: TypeAdapter[Answer] = TypeAdapter(Answer)


def query_queue(run: RunDir, job_names: Iterable[str]) -> Answer:
    """Query squeue once for all jobs of those names; jobs that it does not list keep their last known state.

    Where squeue fails, returns the saved answer with `failure` set.
    """
    saved = _read_saved(run)
    try:
        lines = _lines(
            "squeue", "--noheader", "--array", "--states=all", f"--name={','.join(job_names)}",
            "--format=%i|%T|%N|%r",
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        return replace(saved, failure=_failure("squeue", error))
    current = {}
    for line in lines:
        job_id, state, node, reason = line.split("|", 3)
        current[job_id] = JobState(state=state, reason="" if reason == "None" else reason, node=node)
    answer = Answer(jobs={**saved.jobs, **current}, listed=frozenset(current), asked_at=time.time())
    _save(run, answer)
    return answer


def query_accounting(run: RunDir, answer: Answer, job_ids: Iterable[str]) -> Answer:
    """Query sacct for jobs that squeue no longer lists. Returns `answer` unchanged where accounting is off."""
    ids = sorted({job.partition("_")[0] for job in job_ids})
    if not ids:
        return answer
    try:
        lines = _lines(
            "sacct", "--noheader", "--parsable2", "--allocations", f"--jobs={','.join(ids)}",
            "--format=JobID,State,NodeList,Reason",
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return answer
    found = {}
    for line in lines:
        job_id, state, node, reason = line.split("|", 3)
        if job_id not in answer.listed:
            word, _, rest = state.partition(" ")  # "CANCELLED by 1000"
            found[job_id] = JobState(state=word, reason=rest or ("" if reason == "None" else reason), node=node)
    answer = replace(answer, jobs={**answer.jobs, **found})
    _save(run, answer)
    return answer


def max_array_size() -> int:
    """The most tasks that a job array may have on this cluster. Source: scontrol(1), `show config`.

    Raises `OSError` or `subprocess.SubprocessError` where scontrol fails.
    """
    for line in _lines("scontrol", "show", "config"):
        name, _, value = line.partition("=")
        if name.strip() == "MaxArraySize":
            return max(1, int(value))
    return 1001  # Slurm's default


def cancel_jobs(job_ids: Iterable[str]) -> None:
    """Cancel the jobs. Raises `OSError` or `subprocess.SubprocessError` where scancel fails."""
    _lines("scancel", *job_ids)


def _lines(*command: str) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=TIMEOUT_SECONDS)
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]


def _failure(command: str, error: OSError | subprocess.SubprocessError) -> str:
    message = getattr(error, "stderr", None) or str(error)
    return f"{command} does not answer ({str(message).strip().splitlines()[-1]})"


def _read_saved(run: RunDir) -> Answer:
    try:
        return _ANSWER.validate_json(read_regular(run.scheduler, LISTS))
    except (OSError, ValidationError):
        return Answer()


def _save(run: RunDir, answer: Answer) -> None:
    """Save the answer in the run; do nothing where the user may only read the run."""
    try:
        write_whole(run.scheduler, _ANSWER.dump_json(answer))
    except OSError:
        return
