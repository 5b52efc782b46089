"""What the traces of a Slurm job that is over and left no shard amount to: a state and its reason."""

from __future__ import annotations

from signal import Signals

from lab2.launch.batch import GO_ON, Exit
from lab2.launch.scheduler import JobState

# What Slurm's last word means. Source: "JOB STATE CODES" in squeue(1), Slurm 22.05.
_MORE_TIME = "--set resources.timeout_min=... gives it more"
_MORE_MEMORY = "--set resources.memory_gb=... gives it more"
_WORDS = {
    "TIMEOUT": ("timeout", f"its time was up{{where}}; {_MORE_TIME}"),
    "DEADLINE": ("timeout", "its deadline passed{where}"),
    "OUT_OF_MEMORY": ("out_of_memory", f"it took more memory than it had asked for{{where}}; {_MORE_MEMORY}"),
    "NODE_FAIL": ("failed", "its node failed{where}"),
    "BOOT_FAIL": ("failed", "its node did not start{where}"),
    "PREEMPTED": ("failed", "preempted{where}, and not put back into the queue"),
}


def verdict(job_id: str, said: JobState | None, left: Exit | None) -> tuple[str, str]:
    """State and reason, from Slurm's last word and the exit code that the batch script noted."""
    node = (left.node if left else "") or (said.node if said else "")
    where = f" on {node}" if node else ""
    why = f" ({said.reason})" if said and said.reason else ""
    if said is not None and said.state in _WORDS:
        state, reason = _WORDS[said.state]
        return state, reason.format(where=where)
    if said is not None and said.state == "CANCELLED":
        return "cancelled", f"job {job_id} was cancelled in Slurm{why}"
    if left is not None:
        return _of_exit_code(left.exit_code, where)
    if said is not None and said.state == "FAILED":
        return "failed", f"job {job_id} failed{where}{why}"
    return "lost", f"Slurm no longer knows job {job_id}, and it left no exit code: a dead node, or cancelled; resume it"


def _of_exit_code(code: int, where: str) -> tuple[str, str]:
    if code == GO_ON:
        return "lost", f"it left a checkpoint{where}, but was not put back into the queue; resume it"
    if code == 0:
        return "lost", f"its process ended without a result{where}; resume it"
    if code in (126, 127):
        return "failed", f"its python could not start{where} (exit code {code}); see python in the profile"
    if code > 128:
        return "failed", f"ended by {_signal_name(code - 128)}{where}"
    return "failed", f"exit code {code}{where}"


def _signal_name(number: int) -> str:
    try:
        return Signals(number).name
    except ValueError:
        return f"signal {number}"
