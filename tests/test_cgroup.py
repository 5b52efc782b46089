"""CPUs and memory as cgroups limit them: hierarchies laid out in a folder, and a real one where it can be made."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab2.measure import cgroup
from lab2.measure.cores import available_cores
from lab2.measure.hardware import memory_limit

V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
V1_CPU = "33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct"
V1_CPUSET = "34 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset"
V1_MEMORY = "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory"
HYBRID_V2 = "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw"
NO_LIMIT_V1 = "9223372036854771712"  # what version 1 says where there is none: the largest page-aligned number


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


def lay_out(root: Path, own: str, mounts: list[str], files: dict[str, str]) -> Path:
    """A root with /proc/self/cgroup, /proc/self/mountinfo, and files below /sys/fs/cgroup."""
    proc = root / "proc" / "self"
    proc.mkdir(parents=True)
    (proc / "cgroup").write_text(own)
    other = "24 23 0:22 / /proc rw,nosuid - proc proc rw"
    (proc / "mountinfo").write_text("\n".join([other, *mounts]) + "\n")
    for name, text in files.items():
        path = root / "sys" / "fs" / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    return root


class TestVersion2:
    @pytest.mark.parametrize(
        ("limit", "cores"),
        [
            ("max 100000", None),
            ("200000 100000", 2),
            ("150000 100000", 1),  # the half is left out
            ("50000 100000", 1),  # half a CPU is one thread
            ("50000 10000", 5),
        ],
    )
    def test_a_quota_is_whole_cpus(self, root: Path, limit: str, cores: int | None):
        lay_out(root, "0::/app\n", [V2], {"app/cpu.max": limit})
        assert cgroup.cpu_limit(root) == cores

    def test_a_container_sees_its_own_cgroup_as_the_root(self, root: Path):
        lay_out(root, "0::/\n", [V2], {"cpu.max": "300000 100000", "memory.max": "1073741824"})
        assert (cgroup.cpu_limit(root), cgroup.memory_limit(root)) == (3, 2**30)

    def test_the_tightest_of_all_ancestors_holds(self, root: Path):
        files = {
            "a/cpu.max": "800000 100000",
            "a/b/cpu.max": "200000 100000",
            "a/b/c/cpu.max": "max 100000",
            "a/memory.max": str(3 * 2**30),
            "a/b/memory.max": "max",
            "a/b/c/memory.max": str(5 * 2**30),
            "a/b/c/d/cpu.max": "100000 100000",  # below this process: none of its business
        }
        lay_out(root, "0::/a/b/c\n", [V2], files)
        assert (cgroup.cpu_limit(root), cgroup.memory_limit(root)) == (2, 3 * 2**30)

    def test_a_part_of_the_hierarchy_may_be_mounted(self, root: Path):
        """A container without a cgroup namespace: its path is the host's, and its own cgroup lies at the mount."""
        mount = V2.replace(" / /sys", " /docker/123 /sys")
        lay_out(root, "0::/docker/123/inner\n", [mount], {"cpu.max": "400000 100000", "inner/cpu.max": "max 100000"})
        assert cgroup.cpu_limit(root) == 4

    @pytest.mark.parametrize(
        ("own", "mounted"), [("0::/../other\n", "/"), ("0::/elsewhere\n", "/docker"), ("", "/"), ("nonsense\n", "/")]
    )
    def test_a_path_that_leads_out_of_the_mount_leaves_what_is_mounted(self, root: Path, own: str, mounted: str):
        lay_out(root, own, [V2.replace(" / /sys", f" {mounted} /sys")], {"cpu.max": "200000 100000"})
        (root / "sys" / "fs" / "other").mkdir()
        (root / "sys" / "fs" / "other" / "cpu.max").write_text("100000 100000\n")
        assert cgroup.cpu_limit(root) == 2

    def test_a_mount_point_with_a_space(self, root: Path):
        mount = r"30 23 0:26 / /sys/fs/c\040g rw - cgroup2 cgroup2 rw"
        lay_out(root, "0::/\n", [mount], {"../c g/cpu.max": "200000 100000"})
        assert cgroup.cpu_limit(root) == 2

    @pytest.mark.parametrize("text", ["", "max", "a b", "100000", "100000 0", "-1 100000"])
    def test_what_says_nothing_limits_nothing(self, root: Path, text: str):
        lay_out(root, "0::/\n", [V2], {"cpu.max": text, "memory.max": "max"})
        assert (cgroup.cpu_limit(root), cgroup.memory_limit(root)) == (None, None)


class TestVersion1:
    OWN = "4:memory:/m/n\n3:cpuset:/\n2:cpu,cpuacct:/c/d\n1:name=systemd:/x\n"
    MOUNTS = (V1_CPUSET, V1_CPU, V1_MEMORY)

    def test_quota_over_period_and_the_limit_in_bytes(self, root: Path):
        files = {
            "cpu,cpuacct/c/d/cpu.cfs_quota_us": "350000",
            "cpu,cpuacct/c/d/cpu.cfs_period_us": "100000",
            "cpu,cpuacct/c/cpu.cfs_quota_us": "-1",
            "cpu,cpuacct/c/cpu.cfs_period_us": "100000",
            "memory/m/n/memory.limit_in_bytes": NO_LIMIT_V1,
            "memory/m/memory.limit_in_bytes": "2147483648",
            "memory/memory.limit_in_bytes": NO_LIMIT_V1,
        }
        lay_out(root, self.OWN, [*self.MOUNTS], files)
        assert (cgroup.cpu_limit(root), cgroup.memory_limit(root)) == (3, 2**31)

    def test_a_container_on_version_1(self, root: Path):
        mounts = [m.replace(" / /sys", " /docker/123 /sys") for m in (V1_CPU, V1_MEMORY)]
        files = {
            "cpu,cpuacct/cpu.cfs_quota_us": "150000",
            "cpu,cpuacct/cpu.cfs_period_us": "100000",
            "memory/memory.limit_in_bytes": "1000000",
        }
        lay_out(root, "4:memory:/docker/123\n2:cpu,cpuacct:/docker/123\n", mounts, files)
        assert (cgroup.cpu_limit(root), cgroup.memory_limit(root)) == (1, 1_000_000)

    def test_hybrid_has_both(self, root: Path):
        files = {
            "cpu,cpuacct/c/d/cpu.cfs_quota_us": "300000",
            "cpu,cpuacct/c/d/cpu.cfs_period_us": "100000",
            "unified/u/cpu.max": "max 100000",
            "unified/u/memory.max": "5000000",
            "memory/m/memory.limit_in_bytes": "6000000",
        }
        lay_out(root, self.OWN + "0::/u\n", [*self.MOUNTS, HYBRID_V2], files)
        assert (cgroup.cpu_limit(root), cgroup.memory_limit(root)) == (3, 5_000_000)


def test_no_proc_limits_nothing(root: Path):
    assert (cgroup.cpu_limit(root), cgroup.memory_limit(root)) == (None, None)


def test_threads_and_memory_follow_the_cgroup(root: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)
    monkeypatch.delenv("SLURM_MEM_PER_NODE", raising=False)
    lay_out(root, "0::/\n", [V2], {"cpu.max": "100000 100000", "memory.max": "1000000"})
    assert (available_cores(root), memory_limit(root)) == (1, 1_000_000)


def test_what_slurm_gave_counts_beside_the_cgroup(root: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "1")
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "1")
    lay_out(root, "0::/\n", [V2], {"cpu.max": "6400000 100000", "memory.max": "2000000"})
    assert (available_cores(root), memory_limit(root)) == (1, 2**20)


@contextmanager
def real_cgroup(controller: str, settings: dict[str, str]) -> Iterator[Path]:
    """A cgroup of this machine's with these limits; the test is skipped where it may not be made."""
    base = Path("/sys/fs/cgroup")
    parent = base if (base / "cgroup.controllers").exists() else base / controller
    folder = parent / f"lab2-test-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"LOUD: no cgroup can be made here ({error})")
    try:
        for name, value in settings.items():
            if (folder / name).exists():
                (folder / name).write_text(value)
                break
        else:
            pytest.skip(f"LOUD: {folder} has none of {', '.join(settings)}")
        yield folder
    finally:
        folder.rmdir()


def inside(folder: Path, expression: str) -> int:
    """What `expression` is in a process of that cgroup."""
    code = f"""
import os, pathlib
pathlib.Path({str(folder / "cgroup.procs")!r}).write_text(str(os.getpid()))
from lab2.measure.cores import available_cores
from lab2.measure.hardware import memory_limit
print({expression})
"""
    env = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_a_real_quota_of_one_and_a_half_cpus_is_one_thread():
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    if cores < 2:
        pytest.skip("LOUD: one core here: a quota of 1.5 CPUs limits nothing")
    with real_cgroup("cpu", {"cpu.max": "150000 100000", "cpu.cfs_quota_us": "150000"}) as folder:
        assert inside(folder, "available_cores()") == 1


def test_a_real_limit_of_memory():
    limit = 2**31
    with real_cgroup("memory", {"memory.max": str(limit), "memory.limit_in_bytes": str(limit)}) as folder:
        assert inside(folder, "memory_limit()") == limit
