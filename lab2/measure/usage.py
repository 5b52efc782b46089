"""What a piece of work takes of the machine: CPU seconds, waits for a core, memory at its peak."""

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
    """Added up over all pieces of the work."""

    cpu_seconds: float = 0.0
    wait_seconds: float | None = 0.0  # of its threads, for a core that another had; None: the kernel does not say
    peak_bytes: int | None = 0  # None: the kernel cannot tell this work's peak from what went before
    memory_of: MemoryOf = "process"

    @property
    def wait_share(self) -> float | None:
        """Of the time in which its threads could have run, the share in which others had the core."""
        could = self.cpu_seconds + (self.wait_seconds or 0.0)
        return None if self.wait_seconds is None or not could else self.wait_seconds / could


class Meter:
    """Measures what happens inside `running` and outside `paused`.

    Waits are those for a core of this machine, and the share of what its hypervisor gave to others that fell on this
    process. Memory is all that the process has while the work goes on; on a CUDA device, what torch has allocated.
    """

    def __init__(self, device: torch.device, before: Usage | None = None) -> None:
        self.device = device
        self.usage = before or Usage()
        self._on_gpu = device.type == "cuda"
        self._memory_of: MemoryOf = "accelerator" if self._on_gpu else "process"
        self._began: tuple[float, dict[int, float] | None, tuple[float, float]] | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """The work, all of it."""
        self._start(anew=True)
        try:
            yield
        finally:
            self._stop()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What is done meanwhile belongs to other work."""
        self._stop()
        try:
            yield
        finally:
            self._start(anew=False)

    def _start(self, *, anew: bool) -> None:
        if self._on_gpu:
            torch.cuda.reset_peak_memory_stats(self.device)
        elif self.device.type == "cpu":
            # A peak of other work below this one's own does no harm, and giving memory back would cost the next step.
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
        if before and self.usage.memory_of != self._memory_of:  # an attempt before was on a machine of another kind
            return None
        if before is None or self.device.type not in ("cpu", "cuda"):
            return None
        return max(before, torch.cuda.max_memory_allocated(self.device) if self._on_gpu else process_peak())


def _waited(before: dict[int, float] | None, machine_before: tuple[float, float], cpu: float) -> float | None:
    now = waits()
    if before is None or now is None:
        return None
    for_a_core = sum(seconds - before.get(thread, 0.0) for thread, seconds in now.items())
    busy, stolen = (after - first for after, first in zip(machine_seconds(), machine_before, strict=True))
    return for_a_core + (stolen * min(1.0, cpu / busy) if busy > 0 else 0.0)


def _sum(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a + b
