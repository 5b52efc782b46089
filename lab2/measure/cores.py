"""How many cores this process may use. Without torch: a login node needs it too."""

from __future__ import annotations

import os
from pathlib import Path

from lab2.measure import cgroup
from lab2.measure.cgroup import ROOT


def available_cores(root: Path = ROOT) -> int:
    """Cores that this process may use: the least of its affinity, its cgroups' limits and Slurm's grant to the task.

    `root` is the folder with /proc and /sys.
    """
    limits = [len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1]
    granted = os.environ.get("SLURM_CPUS_PER_TASK", "")
    if granted.isdecimal() and int(granted):
        limits.append(int(granted))
    if (limit := cgroup.cpu_limit(root)) is not None:
        limits.append(limit)
    return min(limits)
