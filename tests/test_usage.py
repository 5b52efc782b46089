"""Clocks and memory against the kernel's own accounting, in processes of known age, size and load."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from lab2.measure import usage
from lab2.measure.memory import in_use, process_peak
from lab2.measure.usage import Meter

MIB = 2**20
linux_only = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="LOUD: no /proc of Linux here")


def child(code: str) -> str:
    """What a fresh Python prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


@linux_only
class TestMemory:
    def test_a_process_is_not_as_large_as_the_one_that_launched_it(self):
        ballast = np.ones(10**8)
        said = child("from lab2.measure.memory import process_peak; print(process_peak())")
        assert 1e6 < int(said) < ballast.nbytes / 4

    def test_of_the_work_alone_is_what_the_work_took(self):
        meter = Meter(torch.device("cpu"))
        before = np.ones(300 * MIB, np.uint8)  # as wide a copy as reading data may make
        del before
        with meter.running():
            base = in_use()
            work = np.ones(100 * MIB, np.uint8)
            with meter.paused():
                looking = np.ones(200 * MIB, np.uint8)
                del looking
            more = np.ones(50 * MIB, np.uint8)
            del work, more
        assert base is not None
        assert meter.usage.peak_bytes is not None
        assert meter.usage.peak_bytes - base == pytest.approx(150 * MIB, abs=8 * MIB)

    @pytest.mark.slow
    def test_it_is_what_the_kernel_told_the_parent(self):
        """A child whose only work is 400 MiB, as `wait4` counts it (getrusage(2), "ru_maxrss")."""
        code = (
            "import numpy, torch; from lab2.measure.usage import Meter; meter = Meter(torch.device('cpu'))\n"
            "with meter.running(): numpy.ones(400 * 2**20, numpy.uint8)\n"
            "print(meter.usage.peak_bytes)"
        )
        launcher = (  # small: `ru_maxrss` counts what a process was when it was forked
            "import os, subprocess, sys; child = subprocess.Popen([sys.executable, '-c', sys.argv[1]])\n"
            "print(1024 * os.wait4(child.pid, 0)[2].ru_maxrss)"
        )
        words = [sys.executable, "-c", launcher, code]
        claimed, counted = map(int, subprocess.run(words, capture_output=True, text=True, check=True).stdout.split())
        assert claimed == pytest.approx(counted, rel=0.02)
        assert claimed > 400 * MIB

    def test_a_second_attempt_keeps_the_higher_peak(self):
        first = Meter(torch.device("cpu"))
        with first.running():
            np.ones(100 * MIB, np.uint8)
        second = Meter(torch.device("cpu"), first.usage)
        with second.running():
            pass
        assert second.usage.peak_bytes == first.usage.peak_bytes

    def test_on_a_gpu_it_is_what_torch_has_allocated_there(self, monkeypatch):
        gpu = torch.device("cuda", 0)
        calls: list[torch.device] = []
        monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", calls.append)
        monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _: 123)
        meter = Meter(gpu)
        with meter.running(), meter.paused():
            pass
        assert (meter.usage.peak_bytes, meter.usage.memory_of) == (123, "accelerator")
        assert calls == [gpu, gpu]  # what was allocated before, or meanwhile, is not the work's

    def test_where_no_peak_can_be_forgotten_none_is_claimed(self, monkeypatch):
        monkeypatch.setattr("lab2.measure.usage.forget_peak", lambda: False)
        meter = Meter(torch.device("cpu"))
        with meter.running():
            pass
        assert meter.usage.peak_bytes is None


@linux_only
class TestClocks:
    def test_a_process_is_as_old_as_its_parent_waited(self):
        started = time.monotonic()
        age = float(
            child("import time; time.sleep(0.5); from lab2.measure.process import age_seconds as a; print(a())")
        )
        waited = time.monotonic() - started
        assert 0.5 <= age <= waited + 0.02  # the kernel counts in hundredths
        assert waited - age < 0.5

    def test_only_the_first_trial_of_a_process_waited_for_its_start(self):
        first, second, cpu = map(float, child(
            "import time; time.sleep(0.5)\n"
            "from lab2.measure.process import TrialClock\n"
            "first, second = TrialClock(), TrialClock()\n"
            "print(first.wall_seconds, second.wall_seconds, first.cpu_seconds)"
        ).split())  # fmt: skip
        assert first > 0.5
        assert second < 0.1
        assert 0 < cpu < first

    @pytest.fixture
    def one_core(self) -> Iterator[int]:
        """This thread and what it starts have one core between them."""
        cores = os.sched_getaffinity(0)
        core = min(cores)
        os.sched_setaffinity(0, {core})
        yield core
        os.sched_setaffinity(0, cores)

    def test_a_neighbour_on_the_core_is_seen(self, one_core: int):
        def work() -> float:
            meter = Meter(torch.device("cpu"))
            with meter.running():
                until = time.process_time() + 0.5
                while time.process_time() < until:
                    pass
            usage = meter.usage
            assert usage.cpu_seconds == pytest.approx(0.5, abs=0.1)
            assert usage.wait_seconds is not None
            return usage.wait_seconds / (usage.wait_seconds + usage.cpu_seconds)

        neighbour = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        try:
            shared = work()
        finally:
            neighbour.kill()
            neighbour.wait()
        assert shared > 0.3  # half, where nobody else is busy


def test_waits_are_for_a_core_and_for_the_hypervisor(monkeypatch):
    """Thread 1 waited 2 s more, thread 2 is new with 1 s; of 4 s that others got, a quarter of the work was ours."""
    monkeypatch.setattr(usage, "waits", lambda: {1: 3.0, 2: 1.0})
    monkeypatch.setattr(usage, "machine_seconds", lambda: (30.0, 8.0))
    assert usage._waited({1: 1.0}, (10.0, 4.0), 5.0) == 2 + 1 + 4 * 5 / 20
    assert usage._waited({1: 1.0}, (10.0, 4.0), 40.0) == 2 + 1 + 4  # no more than all of it
    assert usage._waited({1: 1.0}, (30.0, 4.0), 5.0) == 2 + 1  # the machine has no such clock
    assert usage._waited(None, (10.0, 4.0), 5.0) is None


def test_where_the_kernel_does_not_tell_waits_none_are_claimed(monkeypatch):
    meter = Meter(torch.device("cpu"))
    with meter.running():
        monkeypatch.setattr(usage, "waits", lambda: None)
    assert meter.usage.wait_seconds is None
    monkeypatch.undo()
    with meter.running():  # nor in what is added later
        pass
    assert meter.usage.wait_seconds is None


@linux_only
def test_a_c_library_that_gives_nothing_back_is_none_the_worse(monkeypatch):
    monkeypatch.setattr("ctypes.CDLL", lambda _: object())  # musl has no malloc_trim
    assert in_use() > 50e6


def test_the_peak_is_known_on_any_system():
    assert 50e6 < process_peak() < 50e9
