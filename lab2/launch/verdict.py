"""What the traces of a Slurm job that is over and left no shard amount to: a state and its reason."""

from __future__ import annotations

from collections.abc import Sequence
from signal import Signals

from lab2.launch.batch import GO_ON, REFUSED, TERMINATED, Exit
from lab2.launch.scheduler import JobState

# What Slurm's last word means. Source: "JOB STATE CODES" in squeue(1), Slurm 22.05.
_MORE_TIME = "lab2 resume --set resources.timeout_min=... gives it more"
_MORE_MEMORY = "lab2 resume --set resources.memory_gb=... gives it more"
_NO_PYTHON = "its python could not start{where}; see python and setup in the profile"
_WORDS = {
    "TIMEOUT": ("timeout", f"its time was up{{where}}; {_MORE_TIME}"),
    "DEADLINE": ("timeout", "its deadline passed{where}"),
    "OUT_OF_MEMORY": ("out_of_memory", f"it took more memory than it had asked for{{where}}; {_MORE_MEMORY}"),
    "NODE_FAIL": ("failed", "its node failed{where}"),
    "BOOT_FAIL": ("failed", "its node did not start{where}"),
    "PREEMPTED": ("failed", "preempted{where}, and not put back into the queue"),
}
# What slurmstepd logs where the state says no more than FAILED. Without cgroups Slurm never says OUT_OF_MEMORY.
_LOGGED = {
    ("exceeded memory limit", "exceeded job memory limit", "oom-kill", "oom_kill"): _WORDS["OUT_OF_MEMORY"],
    ("error: execve():",): ("failed", _NO_PYTHON),
}


def verdict(job_id: str, said: JobState | None, left: Exit | None, log: Sequence[str]) -> tuple[str, str]:
    """State and reason, from Slurm's last word, the exit code that the batch script noted, and the log's end."""
    node = (left.node if left else "") or (said.node if said else "")
    where = f" on {node}" if node else ""
    why = f" ({said.reason})" if said and said.reason else ""
    word = "TIMEOUT" if left and left.why == "TimeLimit" else said.state if said else ""
    if word in _WORDS:
        state, reason = _WORDS[word]
        return state, reason.format(where=where)
    if said is not None and said.state == "CANCELLED":
        return "cancelled", f"job {job_id} was cancelled in Slurm{why}"
    own = [line for line in log if not line.startswith(("srun: error:", "slurmstepd-", "slurmstepd: "))]
    last = f"; its log ends: {own[-1]}" if own else ""
    for words, (state, reason) in _LOGGED.items():
        if any(word in line.lower() for line in log for word in words) and (left is None or left.exit_code):
            return state, reason.format(where=where)
    if left is not None:
        state, reason = _of_exit_code(left.exit_code, where)
        told = [line.removeprefix("lab2: ") for line in log if line.startswith("lab2: ")]
        return state, told[-1] if told and left.exit_code == REFUSED else f"{reason}{last}"
    if said is not None and said.state == "FAILED":
        return "failed", f"job {job_id} failed{where}{why}{last}"
    return "lost", f"Slurm no longer knows job {job_id}, and it left no exit code: a dead node, or cancelled; resume it"


def _of_exit_code(code: int, where: str) -> tuple[str, str]:
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
