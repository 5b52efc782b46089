"""The clocks of this process: its age, its CPU time, and how long its threads waited for a core.

Source: proc(5), "/proc/pid/stat" and "/proc/stat"; Linux's Documentation/scheduler/sched-stats.rst, "schedstat".
"""

from __future__ import annotations

import os
import time
from pathlib import Path

_IMPORTED = time.monotonic()


def age_seconds() -> float:
    """Seconds since this process was started; where the kernel does not say, since lab2 was imported."""
    try:
        # Field 2, the name in parentheses, may contain spaces and parentheses. After the last ")" begins field 3.
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[22 - 3]) / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError):
        return time.monotonic() - _IMPORTED


def cpu_seconds() -> float:
    """CPU seconds of this process, summed over its threads."""
    return time.process_time()


def waits() -> dict[int, float] | None:
    """By thread: the seconds for which it was ready but waited for a core; None where the kernel does not say."""
    seconds = {}
    try:
        for task in Path("/proc/self/task").iterdir():
            try:
                seconds[int(task.name)] = int((task / "schedstat").read_text().split()[1]) / 1e9
            except (FileNotFoundError, ProcessLookupError):  # the thread has just ended
                continue
    except (OSError, IndexError):
        return None
    return seconds or None


def machine_seconds() -> tuple[float, float]:
    """Busy and stolen seconds of all cores since the machine started. The hypervisor gave the stolen ones to others."""
    try:
        numbers = Path("/proc/stat").read_text().partition("\n")[0].split()[1:]
        user, nice, system, _idle, _iowait, irq, softirq, stolen = map(int, numbers[:8])
    except (OSError, ValueError):
        return 0.0, 0.0
    ticks = os.sysconf("SC_CLK_TCK")
    return (user + nice + system + irq + softirq) / ticks, stolen / ticks


class TrialClock:
    """Wall-clock and CPU seconds of a trial.

    The first trial of a process counts from the start of the process, so that Python's start and imports are included.
    A later trial in the same process counts from the moment when its clock is made.
    """

    _first = True

    def __init__(self) -> None:
        self._began, self._cpu_before = time.monotonic(), cpu_seconds()
        if TrialClock._first:
            TrialClock._first = False
            self._began, self._cpu_before = self._began - age_seconds(), 0.0

    @property
    def wall_seconds(self) -> float:
        return time.monotonic() - self._began

    @property
    def cpu_seconds(self) -> float:
        return cpu_seconds() - self._cpu_before
