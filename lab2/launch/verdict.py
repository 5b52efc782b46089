"""Decides the state of a Slurm job that left no shard, and the reason.

A job that Slurm has not ended is not over, even if an earlier attempt left an exit note. For a job that is over, the
evidence counts in this order: Slurm's last state, the exit note of the batch script, the end of the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from signal import Signals
from typing import NamedTuple

from lab2.launch.batch import GO_ON, REFUSED, TERMINATED, ExitNote
from lab2.launch.scheduler import JobState

BEING_CANCELLED = "being cancelled"
_SLURM_STARTS = ("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT")
_MORE_TIME = "lab2 resume --set resources.timeout_min=... gives it more"
_MORE_MEMORY = "lab2 resume --set resources.memory_gb=... gives it more"
_NO_PYTHON = "its python could not start{where}; see python and setup in the profile"
# State and reason for Slurm's last state of a job. Source: "JOB STATE CODES" in squeue(1), Slurm 22.05.
_BY_SLURM_STATE = {
    "TIMEOUT": ("timeout", f"its time was up{{where}}; {_MORE_TIME}"),
    "DEADLINE": ("timeout", "its deadline passed{where}"),
    "OUT_OF_MEMORY": ("out_of_memory", f"it took more memory than it had asked for{{where}}; {_MORE_MEMORY}"),
    "NODE_FAIL": ("failed", "its node failed{where}"),
    "BOOT_FAIL": ("failed", "its node did not start{where}"),
    "PREEMPTED": ("failed", "preempted{where}, and not put back into the queue"),
}
# State and reason for what slurmstepd logs. Needed where Slurm's state is only FAILED: without cgroups it never is
# OUT_OF_MEMORY.
_BY_LOG_TEXT = {
    ("exceeded memory limit", "exceeded job memory limit", "oom-kill", "oom_kill"): _BY_SLURM_STATE["OUT_OF_MEMORY"],
    ("error: execve():",): ("failed", _NO_PYTHON),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of a Slurm job whose trial left no shard."""

    job_id: str
    job_state: JobState | None = None  # its last known state in Slurm
    listed: bool = False  # in the last answer of squeue
    answered: bool = True  # the last query of squeue succeeded
    exit_note: ExitNote | None = None
    cancelled: bool = False  # by `lab2 cancel`
    log: Sequence[str] = ()  # the last lines of its log

    @property
    def node(self) -> str:
        """The node on which the job ran last; empty where that is not known."""
        return (self.exit_note.node if self.exit_note else "") or (self.job_state.node if self.job_state else "")

    @property
    def active_state(self) -> JobState | None:
        """The state of a job that is not over; None where it is over.

        Where Slurm does not answer, a job counts as not over unless its last known state or its exit note says that it
        ended. An exit note with `GO_ON` or `TERMINATED` does not say so: such a job may have been requeued.
        """
        if self.answered:
            return self.job_state if self.listed and self.job_state and self.job_state.active else None
        if self.exit_note is not None and self.exit_note.exit_code not in (GO_ON, TERMINATED):
            return None
        state = self.job_state or JobState(state="PENDING", reason="handed to Slurm; not heard of since")
        return state if state.active else None


class Verdict(NamedTuple):
    """The state of a trial and its reason, as in `TrialStatus`."""

    state: str
    reason: str


def decide(evidence: Evidence) -> Verdict:
    """The state that follows from the evidence. A pure function: no file is read and Slurm is not queried."""
    state = evidence.active_state
    if state is None:
        return Verdict("cancelled", "cancelled with lab2 cancel") if evidence.cancelled else _ended(evidence)
    if state.hopeless:
        return Verdict("stuck", f"Slurm will not start job {evidence.job_id}: {state.reason}")
    if state.state in _SLURM_STARTS:
        note = evidence.exit_note
        again = f"goes on after an interruption on {note.node}; " if note else ""
        return Verdict("queued", f"{again}{state.reason}")
    return Verdict("running", BEING_CANCELLED if evidence.cancelled else "")


def _ended(evidence: Evidence) -> Verdict:
    """The verdict on a job that is over, from Slurm's last state, the exit note and the log, in this order."""
    state, note, log = evidence.job_state, evidence.exit_note, evidence.log
    where = f" on {evidence.node}" if evidence.node else ""
    why = f" ({state.reason})" if state and state.reason else ""
    word = "TIMEOUT" if note and note.why == "TimeLimit" else state.state if state else ""
    if word in _BY_SLURM_STATE:
        return _filled(_BY_SLURM_STATE[word], where)
    if state is not None and state.state == "CANCELLED":
        return Verdict("cancelled", f"job {evidence.job_id} was cancelled in Slurm{why}")
    trial_lines = [line for line in log if not line.startswith(("srun: error:", "slurmstepd-", "slurmstepd: "))]
    last = f"; its log ends: {trial_lines[-1]}" if trial_lines else ""
    for texts, verdict in _BY_LOG_TEXT.items():
        if any(text in line.lower() for line in log for text in texts) and (note is None or note.exit_code):
            return _filled(verdict, where)
    if note is not None:
        outcome, reason = _from_exit_code(note.exit_code, where)
        refusals = [line.removeprefix("lab2: ") for line in log if line.startswith("lab2: ")]
        refused = refusals and note.exit_code == REFUSED
        return Verdict(outcome, refusals[-1] if refused else f"{reason}{last}")
    if state is not None and state.state == "FAILED":
        return Verdict("failed", f"job {evidence.job_id} failed{where}{why}{last}")
    return Verdict(
        "lost",
        f"Slurm no longer knows job {evidence.job_id}, and it left no exit code: a dead node, or cancelled; resume it",
    )


def _filled(template: tuple[str, str], where: str) -> Verdict:
    return Verdict(template[0], template[1].format(where=where))


def _from_exit_code(code: int, where: str) -> tuple[str, str]:
    if code == GO_ON:
        return "lost", f"it left a checkpoint{where}, but was not put back into the queue; resume it"
    if code == 0:
        return "lost", f"its process ended without a result{where}; resume it"
    if code in (126, 127):
        return "failed", _NO_PYTHON.format(where=where)
    if code == TERMINATED:
        return "failed", f"ended by Slurm{where}: cancelled, or its time was up"
    if code > 128:
        return "failed", f"ended by {_signal_name(code - 128)}{where}"
    return "failed", f"exit code {code}{where}"


def _signal_name(number: int) -> str:
    try:
        return Signals(number).name
    except ValueError:
        return f"signal {number}"
