"""What an architecture costs: parameters, memory, seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from lab2.measure.hardware import synchronize
from lab2.measure.memory import process_peak

T = TypeVar("T")

LATENCY_REPEATS = 100
THROUGHPUT_BATCH = 250


class Stopwatch:
    """Seconds spent inside what it goes around; what the caller does between two steps is not counted."""

    def __init__(self, device: torch.device, seconds: float = 0.0) -> None:
        self.device = device
        self.seconds = seconds

    def around(self, steps: Iterator[T], waits: Callable[[T], bool]) -> Iterator[T]:
        """Each of `steps`; the accelerator is waited for before the first and after those that `waits` says."""
        synchronize(self.device)
        started = time.perf_counter()
        for step in steps:
            if waits(step):
                synchronize(self.device)
            self.seconds += time.perf_counter() - started
            yield step
            started = time.perf_counter()
        synchronize(self.device)
        self.seconds += time.perf_counter() - started


@dataclass(frozen=True, slots=True)
class InferenceCost:
    """Seconds for one image alone, and images a second in large batches."""

    latency_p50_seconds: float
    latency_p95_seconds: float
    throughput_images_per_second: float


@torch.inference_mode()
def inference_cost(predict: Callable[[Tensor], object], images: Tensor) -> InferenceCost:
    """Time `predict` on the (N, C, S, S) `images`, after a warm-up that is not counted."""
    device = images.device

    def seconds(batch: Tensor) -> float:
        synchronize(device)
        started = time.perf_counter()
        predict(batch)
        synchronize(device)
        return time.perf_counter() - started

    singles = [images[i % len(images)][None] for i in range(LATENCY_REPEATS)]
    for single in singles[:5]:
        predict(single)
    latencies = [seconds(single) for single in singles]
    batch = images[:THROUGHPUT_BATCH]
    predict(batch)
    fastest = min(seconds(batch) for _ in range(3))
    p50, p95 = np.percentile(latencies, [50, 95])
    return InferenceCost(float(p50), float(p95), len(batch) / fastest)


def count_parameters(model: nn.Module) -> tuple[int, int]:
    """(all, trainable) parameters."""
    sizes = [(p.numel(), p.requires_grad) for p in model.parameters()]
    return sum(n for n, _ in sizes), sum(n for n, trainable in sizes if trainable)


def peak_memory(device: torch.device) -> tuple[int, Literal["accelerator", "process"]]:
    """Bytes at the peak so far, and of what: the accelerator, or the process where there is none."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device), "accelerator"
    return process_peak(), "process"
