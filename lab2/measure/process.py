"""The clocks of this process: how old it is, what it computed, how long it waited for a core.

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
        # The name, in parentheses, may hold anything: what follows the last one is fields 3 and on.
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[22 - 3]) / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError):
        return time.monotonic() - _IMPORTED


def cpu_seconds() -> float:
    """Seconds of all cores that this process has computed."""
    return time.process_time()


def waits() -> dict[int, float] | None:
    """For each thread, seconds for which it could have run and another thread had the core; None: not known here."""
    found = {}
    try:
        for task in Path("/proc/self/task").iterdir():
            try:
                found[int(task.name)] = int((task / "schedstat").read_text().split()[1]) / 1e9
            except (FileNotFoundError, ProcessLookupError):  # it has just ended
                continue
    except (OSError, IndexError):
        return None
    return found or None


def machine_seconds() -> tuple[float, float]:
    """(busy, stolen) seconds of all cores since the machine started: stolen ones the hypervisor gave to others."""
    try:
        numbers = Path("/proc/stat").read_text().partition("\n")[0].split()[1:]
        user, nice, system, _idle, _iowait, irq, softirq, stolen = map(int, numbers[:8])
    except (OSError, ValueError):
        return 0.0, 0.0
    ticks = os.sysconf("SC_CLK_TCK")
    return (user + nice + system + irq + softirq) / ticks, stolen / ticks


class TrialClock:
    """Seconds that a trial has taken of a person's time, and of the CPU's, since its process started.

    The first trial of a process has waited for Python and its imports; one that comes after it in the same process
    begins when it is called.
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
