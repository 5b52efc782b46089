"""What Slurm knows of a run's jobs: one squeue for all of them, one sacct for those that squeue forgot.

Answers are kept in the run: where Slurm does not answer, or has forgotten, what it last said still stands.
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
# States of a job that Slurm still has in hand. Source: "JOB STATE CODES" in squeue(1), Slurm 22.05.
ACTIVE = frozenset(
    """PENDING RUNNING COMPLETING CONFIGURING SUSPENDED STOPPED REQUEUED REQUEUE_FED REQUEUE_HOLD SPECIAL_EXIT
    RESIZING RESV_DEL_HOLD SIGNALING STAGE_OUT""".split()
)
# Reasons for which a pending job never starts by itself. Source: "JOB REASON CODES", ibidem.
HOPELESS = frozenset(
    """PartitionConfig PartitionNodeLimit PartitionTimeLimit BadConstraints
    DependencyNeverSatisfied InvalidAccount InvalidQOS AccountNotAllowed QOSNotAllowed JobHeldAdmin JobHeldUser
    QOSMaxCpuPerJobLimit QOSMaxMemoryPerJob QOSMaxWallDurationPerJobLimit
    AssocMaxWallDurationPerJobLimit""".split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """What Slurm said of one job."""

    state: str  # Slurm's word: PENDING, RUNNING, TIMEOUT, ...
    reason: str = ""  # why it waits, or why it ended
    node: str = ""

    def __post_init__(self) -> None:
        keep_visible(self)

    @property
    def active(self) -> bool:
        """Whether Slurm still has it in hand."""
        return self.state in ACTIVE

    @property
    def hopeless(self) -> bool:
        """Whether it waits for what will not come by itself."""
        held = self.reason in HOPELESS or " held" in self.reason  # "launch failed requeued held" and the like
        return self.state in ("PENDING", "REQUEUE_HOLD", "SPECIAL_EXIT") and held


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """All that Slurm has said of a run's jobs, and whether it still answers."""

    jobs: dict[str, JobState] = field(default_factory=dict)
    listed: frozenset[str] = frozenset()  # what squeue named in its last answer
    asked_at: float = 0.0  # Unix time of that answer
    failure: str = ""  # why there is no newer one

    def __post_init__(self) -> None:
        keep_visible(self)


_KEPT: TypeAdapter[Answer] = TypeAdapter(Answer)


def query_queue(run: RunDir, job_names: Iterable[str]) -> Answer:
    """Ask squeue about all jobs of those names at once; what it said before stands where it is silent."""
    kept = _read_kept(run)
    try:
        lines = _lines(
            "squeue", "--noheader", "--array", "--states=all", f"--name={','.join(job_names)}",
            "--format=%i|%T|%N|%r",
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        return replace(kept, failure=_complaint("squeue", error))
    now = {}
    for line in lines:
        job_id, state, node, reason = line.split("|", 3)
        now[job_id] = JobState(state=state, reason="" if reason == "None" else reason, node=node)
    answer = Answer(jobs={**kept.jobs, **now}, listed=frozenset(now), asked_at=time.time())
    _keep(run, answer)
    return answer


def query_accounting(run: RunDir, answer: Answer, job_ids: Iterable[str]) -> Answer:
    """Ask sacct about jobs that squeue no longer lists; without accounting nothing is learnt."""
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
    _keep(run, answer)
    return answer


def max_array_size() -> int:
    """How many tasks an array may have here. Source: scontrol(1), `show config`."""
    for line in _lines("scontrol", "show", "config"):
        name, _, value = line.partition("=")
        if name.strip() == "MaxArraySize":
            return max(1, int(value))
    return 1001  # Slurm's default


def cancel_jobs(job_ids: Iterable[str]) -> None:
    """Raises `OSError` or `subprocess.SubprocessError` as scancel fails."""
    _lines("scancel", *job_ids)


def _lines(*command: str) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=TIMEOUT_SECONDS)
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]


def _complaint(command: str, error: OSError | subprocess.SubprocessError) -> str:
    said = getattr(error, "stderr", None) or str(error)
    return f"{command} does not answer ({str(said).strip().splitlines()[-1]})"


def _read_kept(run: RunDir) -> Answer:
    try:
        return _KEPT.validate_json(read_regular(run.scheduler, LISTS))
    except (OSError, ValidationError):
        return Answer()


def _keep(run: RunDir, answer: Answer) -> None:
    """A run that one may only read is watched without a memory."""
    try:
        write_whole(run.scheduler, _KEPT.dump_json(answer))
    except OSError:
        return
