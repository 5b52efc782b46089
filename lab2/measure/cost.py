"""What an architecture costs: parameters, seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from lab2.measure.hardware import synchronize

T = TypeVar("T")

WARM_UP_REPEATS = 5
LATENCY_REPEATS = 100
THROUGHPUT_REPEATS = 3
LEAST_SECONDS = 0.5
THROUGHPUT_BATCH = 250


class Stopwatch:
    """Seconds spent inside what it goes around; what the caller does between two steps is not counted."""

    def __init__(self, device: torch.device, seconds: float = 0.0) -> None:
        self.device = device
        self.seconds = seconds

    def around(self, steps: Iterator[T]) -> Iterator[T]:
        """Each of `steps`; the accelerator is waited for before the first and after the last."""
        synchronize(self.device)
        started = time.perf_counter()
        for step in steps:
            self.seconds += time.perf_counter() - started
            yield step
            started = time.perf_counter()
        synchronize(self.device)
        self.seconds += time.perf_counter() - started

    def settle(self) -> None:
        """Wait for what the accelerator was given, which belongs to the steps: before anything reads of it."""
        started = time.perf_counter()
        synchronize(self.device)
        self.seconds += time.perf_counter() - started


@torch.inference_mode()
def latency(predict: Callable[[Tensor], object], images: Tensor) -> tuple[float, float]:
    """Median and 95th percentile of the seconds that `predict` takes for one of the (N, C, S, S) `images` alone."""
    for image in images[:WARM_UP_REPEATS]:
        predict(image[None])
    p50, p95 = np.percentile(_repeated(predict, [image[None] for image in images], LATENCY_REPEATS), [50, 95])
    return float(p50), float(p95)


@torch.inference_mode()
def throughput(predict: Callable[[Tensor], object], images: Tensor) -> float:
    """How many of the (N, C, S, S) `images` `predict` does a second in batches: the best of several, after one more."""
    batch = images[:THROUGHPUT_BATCH]
    predict(batch)
    return len(batch) / min(_repeated(predict, [batch], THROUGHPUT_REPEATS))


def _repeated(predict: Callable[[Tensor], object], batches: Sequence[Tensor], times: int) -> list[float]:
    """Seconds of so many calls or more, for `LEAST_SECONDS` together: one slice of a neighbour must not spoil all."""
    found: list[float] = []
    while len(found) < times or sum(found) < LEAST_SECONDS:
        found.append(_seconds(predict, batches[len(found) % len(batches)]))
    return found


def _seconds(predict: Callable[[Tensor], object], batch: Tensor) -> float:
    synchronize(batch.device)
    started = time.perf_counter()
    predict(batch)
    synchronize(batch.device)
    return time.perf_counter() - started


def count_parameters(model: nn.Module) -> tuple[int, int]:
    """(all, trainable) parameters."""
    sizes = [(p.numel(), p.requires_grad) for p in model.parameters()]
    return sum(n for n, _ in sizes), sum(n for n, trainable in sizes if trainable)
