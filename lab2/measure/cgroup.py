"""What the control groups of this process let it use: CPUs and memory, at its own cgroup and at every one above it.

A container has them (`docker run --cpus=2 --memory=4g`), and so has a job of Slurm or a unit of systemd; affinity and
`/proc/meminfo` show none of it. Version 2 keeps all controllers in one hierarchy, version 1 has one for each, and a
machine may have both (hybrid).

Source: https://docs.kernel.org/admin-guide/cgroup-v2.html ("CPU Interface Files", "Memory Interface Files");
https://docs.kernel.org/scheduler/sched-bwc.html (version 1's quota and period);
https://docs.kernel.org/admin-guide/cgroup-v1/memory.html; cgroups(7) and proc(5) for the two files in /proc/self.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path("/")  # where /proc and /sys lie


def cpu_limit(root: Path = ROOT) -> int | None:
    """Whole CPUs' worth of time that this process may use, at least one; None: no cgroup limits it.

    A part of a CPU is left out: of two threads on 1.5 CPUs one would wait, throttled, for the next period.
    """
    limits = [*map(_version_2_cpus, _folders(root, "")), *map(_version_1_cpus, _folders(root, "cpu"))]
    return max(1, least) if (least := _least(limits)) is not None else None


def memory_limit(root: Path = ROOT) -> int | None:
    """Bytes that this process may use, together with its neighbours in the cgroup; None: no cgroup limits it."""
    limits = [_number(folder / "memory.max") for folder in _folders(root, "")]
    limits += [_number(folder / "memory.limit_in_bytes") for folder in _folders(root, "memory")]
    return _least(limits)


def _version_2_cpus(folder: Path) -> int | None:
    quota, _, period = _text(folder / "cpu.max").partition(" ")  # microseconds, both; or "max"
    return int(quota) // int(period) if quota.isdecimal() and period.isdecimal() and int(period) else None


def _version_1_cpus(folder: Path) -> int | None:
    quota, period = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
    return quota // period if quota is not None and period else None  # -1: no limit


def _folders(root: Path, controller: str) -> Iterator[Path]:
    """The folders of this process's cgroup and of those above it, as far as they are mounted; "" is version 2."""
    own = _own_cgroup(root, controller)
    for point, mounted in _mounts(root, controller):
        inside = own is not None and own.is_relative_to(mounted) and ".." not in own.parts
        # Where the path leads elsewhere (another cgroup namespace), what is mounted is all that can be known.
        below = own.relative_to(mounted).parts if own is not None and inside else ()
        for depth in range(len(below), -1, -1):
            yield root.joinpath(*point.parts[1:], *below[:depth])


def _own_cgroup(root: Path, controller: str) -> PurePosixPath | None:
    """This process's cgroup in the hierarchy of `controller`, of lines such as `4:cpu,cpuacct:/a/b` and `0::/a/b`."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        number, controllers, path = (*line.split(":", 2), "", "")[:3]
        if (controller in controllers.split(",")) if controller else (number == "0" and not controllers):
            return PurePosixPath(path)
    return None


def _mounts(root: Path, controller: str) -> Iterator[tuple[PurePosixPath, PurePosixPath]]:
    """Where the hierarchy of `controller` is mounted, and which of its cgroups lies there."""
    for line in _text(root / "proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        fields, (kind, _, options) = before.split(" "), (*after.split(" "), "", "", "")[:3]
        wanted = kind == "cgroup" and controller in options.split(",") if controller else kind == "cgroup2"
        if wanted and len(fields) > 4:
            yield _unescaped(fields[4]), _unescaped(fields[3])


def _unescaped(path: str) -> PurePosixPath:
    """The kernel writes a space in a path as \\040."""
    return PurePosixPath(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), path))


def _least(limits: list[int | None]) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _number(path: Path) -> int | None:
    """None for a file that is not there, and for "max" and -1, which are no limits."""
    text = _text(path)
    return int(text) if text.isdecimal() else None


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:  # another version, another controller, or a kernel without cgroups
        return ""
