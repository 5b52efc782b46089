"""The limits of CPUs and memory that control groups set for this process: its own cgroup and all those above it.

Containers (`docker run --cpus=2 --memory=4g`), Slurm jobs and systemd units have such limits. CPU affinity and
`/proc/meminfo` do not show them. Version 2 of cgroups has one hierarchy for all controllers, version 1 has one per
controller, and a machine may use both (hybrid).

Source: https://docs.kernel.org/admin-guide/cgroup-v2.html ("CPU Interface Files", "Memory Interface Files");
https://docs.kernel.org/scheduler/sched-bwc.html (version 1's quota and period);
https://docs.kernel.org/admin-guide/cgroup-v1/memory.html; cgroups(7) and proc(5) for the two files in /proc/self.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path("/")  # the folder with /proc and /sys; tests give another


def cpu_limit(root: Path = ROOT) -> int | None:
    """How many CPUs this process may use, rounded down, at least one; None: no cgroup limits it.

    It is rounded down because with two threads on 1.5 CPUs both are throttled until the next period begins.
    """
    limits = [*map(_version_2_cpus, _folders(root, "")), *map(_version_1_cpus, _folders(root, "cpu"))]
    return max(1, least) if (least := _least(limits)) is not None else None


def memory_limit(root: Path = ROOT) -> int | None:
    """Bytes that all processes of this cgroup may use together; None: no cgroup limits them."""
    limits = [_number(folder / "memory.max") for folder in _folders(root, "")]
    limits += [_number(folder / "memory.limit_in_bytes") for folder in _folders(root, "memory")]
    return _least(limits)


def _version_2_cpus(folder: Path) -> int | None:
    quota, _, period = _text(folder / "cpu.max").partition(" ")  # both in microseconds; the quota may be "max"
    return int(quota) // int(period) if quota.isdecimal() and period.isdecimal() and int(period) else None


def _version_1_cpus(folder: Path) -> int | None:
    quota, period = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
    return quota // period if quota is not None and period else None  # -1: no limit


def _folders(root: Path, controller: str) -> Iterator[Path]:
    """The mounted folders of this process's cgroup and of those above it. The `controller` "" means version 2."""
    own = _own_cgroup(root, controller)
    for point, mounted in _mounts(root, controller):
        inside = own is not None and own.is_relative_to(mounted) and ".." not in own.parts
        # In another cgroup namespace the path may lie outside of the mount. Then only the mount itself is visible.
        below = own.relative_to(mounted).parts if own is not None and inside else ()
        for depth in range(len(below), -1, -1):
            yield root.joinpath(*point.parts[1:], *below[:depth])


def _own_cgroup(root: Path, controller: str) -> PurePosixPath | None:
    """This process's cgroup in the hierarchy of `controller`, from lines like `4:cpu,cpuacct:/a/b` and `0::/a/b`."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        number, controllers, path = (*line.split(":", 2), "", "")[:3]
        if (controller in controllers.split(",")) if controller else (number == "0" and not controllers):
            return PurePosixPath(path)
    return None


def _mounts(root: Path, controller: str) -> Iterator[tuple[PurePosixPath, PurePosixPath]]:
    """The mount points of the hierarchy of `controller`, each with the cgroup that is mounted there."""
    for line in _text(root / "proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        fields, (kind, _, options) = before.split(" "), (*after.split(" "), "", "", "")[:3]
        wanted = kind == "cgroup" and controller in options.split(",") if controller else kind == "cgroup2"
        if wanted and len(fields) > 4:
            yield _unescaped(fields[4]), _unescaped(fields[3])


def _unescaped(path: str) -> PurePosixPath:
    """The path with the kernel's octal escapes decoded: it writes a space as \\040."""
    return PurePosixPath(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), path))


def _least(limits: list[int | None]) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _number(path: Path) -> int | None:
    """The number in a file; None for a missing file, and for "max" and -1, which mean that there is no limit."""
    text = _text(path)
    return int(text) if text.isdecimal() else None


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:  # this version of cgroups or this controller does not exist here
        return ""
