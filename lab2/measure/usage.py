"""The resources that a piece of work uses: CPU seconds, waits for a core, and peak memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal

import torch

from lab2.measure.memory import forget_peak, process_peak
from lab2.measure.process import cpu_seconds, machine_seconds, waits

MemoryOf = Literal["process", "accelerator"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Sums over all parts of the work, and the peak of its memory."""

    cpu_seconds: float = 0.0
    wait_seconds: float | None = 0.0  # in which threads were ready but had no core; None: the kernel does not say
    peak_bytes: int | None = 0  # None: the kernel cannot reset the peak of earlier work
    memory_of: MemoryOf = "process"

    @property
    def wait_share(self) -> float | None:
        """The share of time in which threads waited for a core, of the time in which they ran or waited."""
        total = self.cpu_seconds + (self.wait_seconds or 0.0)
        return None if self.wait_seconds is None or not total else self.wait_seconds / total


class Meter:
    """Measures the work inside `running`, except the parts inside `paused`.

    Waits are the waits for a core of this machine, plus this process's share of the time that the hypervisor took from
    the machine. Memory is the resident memory of the process; on a CUDA device it is what torch has allocated there.
    """

    def __init__(self, device: torch.device, before: Usage | None = None) -> None:
        self.device = device
        self.usage = before or Usage()
        self._on_gpu = device.type == "cuda"
        self._memory_of: MemoryOf = "accelerator" if self._on_gpu else "process"
        self._began: tuple[float, dict[int, float] | None, tuple[float, float]] | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """The block whose usage is measured."""
        self._start(anew=True)
        try:
            yield
        finally:
            self._stop()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """A block inside `running` that is not measured."""
        self._stop()
        try:
            yield
        finally:
            self._start(anew=False)

    def _start(self, *, anew: bool) -> None:
        if self._on_gpu:
            torch.cuda.reset_peak_memory_stats(self.device)
        elif self.device.type == "cpu":
            # The peak is reset only if other work raised it above this work's own peak: a reset gives memory back to
            # the kernel, and the next step would have to page it in again.
            higher = self.usage.peak_bytes is not None and process_peak() > self.usage.peak_bytes
            if (anew or higher) and not forget_peak():
                self.usage = replace(self.usage, peak_bytes=None)
        self._began = cpu_seconds(), waits(), machine_seconds()

    def _stop(self) -> None:
        assert self._began is not None
        (cpu_before, waits_before, machine_before), self._began = self._began, None
        cpu = cpu_seconds() - cpu_before
        self.usage = Usage(
            cpu_seconds=self.usage.cpu_seconds + cpu,
            wait_seconds=_sum(self.usage.wait_seconds, _waited(waits_before, machine_before, cpu)),
            peak_bytes=self._peak(),
            memory_of=self._memory_of,
        )

    def _peak(self) -> int | None:
        before = self.usage.peak_bytes
        if before and self.usage.memory_of != self._memory_of:  # an earlier attempt ran on another kind of device
            return None
        if before is None or self.device.type not in ("cpu", "cuda"):
            return None
        return max(before, torch.cuda.max_memory_allocated(self.device) if self._on_gpu else process_peak())


def _waited(before: dict[int, float] | None, machine_before: tuple[float, float], cpu: float) -> float | None:
    """Seconds of waiting since `before`. Stolen time is counted in proportion to `cpu`, the process's CPU seconds."""
    now = waits()
    if before is None or now is None:
        return None
    for_a_core = sum(seconds - before.get(thread, 0.0) for thread, seconds in now.items())
    busy, stolen = (after - first for after, first in zip(machine_seconds(), machine_before, strict=True))
    return for_a_core + (stolen * min(1.0, cpu / busy) if busy > 0 else 0.0)


def _sum(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a + b
