"""The cost of an architecture: training time, latency, throughput and parameters."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from lab2.compare.percentile import PercentileInterval, percentile_interval
from lab2.measure.batch import images_at_a_time
from lab2.measure.hardware import synchronize

T = TypeVar("T")

WARM_UP_REPEATS = 5
LATENCY_REPEATS = 100  # at least
THROUGHPUT_REPEATS = 3  # at least
LEAST_SECONDS = 0.5  # least total time of the repeats
THROUGHPUT_BATCH = 250  # images


class Stopwatch:
    """Adds up the seconds spent inside an iterator; what the caller does between two steps is not counted."""

    def __init__(self, device: torch.device, seconds: float = 0.0) -> None:
        self.device = device
        self.seconds = seconds

    def around(self, steps: Iterator[T]) -> Iterator[T]:
        """Yield each of `steps`. The accelerator is synchronised before the first and after the last."""
        synchronize(self.device)
        started = time.perf_counter()
        for step in steps:
            self.seconds += time.perf_counter() - started
            yield step
            started = time.perf_counter()
        synchronize(self.device)
        self.seconds += time.perf_counter() - started

    def await_device(self) -> None:
        """Wait until the accelerator has finished the steps so far, and count the wait as theirs.

        Call it before the caller reads a tensor: that would wait, too, and the wait would not be counted.
        """
        started = time.perf_counter()
        synchronize(self.device)
        self.seconds += time.perf_counter() - started


@torch.inference_mode()
def latency(predict: Callable[[Tensor], object], images: Tensor) -> tuple[PercentileInterval, PercentileInterval]:
    """Median and 95th percentile of the seconds of `predict` for single images; `images` are (N, C, S, S)."""
    for image in images[:WARM_UP_REPEATS]:
        predict(image[None])
    seconds = _repeated(predict, [image[None] for image in images], LATENCY_REPEATS)
    return percentile_interval(seconds, 0.5), percentile_interval(seconds, 0.95)


@torch.inference_mode()
def throughput(predict: Callable[[Tensor], object], images: Tensor) -> float:
    """Images per second of `predict` for a batch of the (N, C, S, S) `images`: the best of several, after a warm-up.

    The batch has `THROUGHPUT_BATCH` images, of large ones as many as are predicted at a time.
    """
    batch = images[: min(THROUGHPUT_BATCH, images_at_a_time(images.shape[-1]))]
    predict(batch)
    return len(batch) / min(_repeated(predict, [batch], THROUGHPUT_REPEATS))


def _repeated(predict: Callable[[Tensor], object], batches: Sequence[Tensor], times: int) -> list[float]:
    """Seconds of each of at least `times` calls that take at least `LEAST_SECONDS` together.

    The least total is longer than a time slice of the scheduler, so that another process cannot disturb all calls.
    """
    seconds: list[float] = []
    while len(seconds) < times or sum(seconds) < LEAST_SECONDS:
        seconds.append(_seconds(predict, batches[len(seconds) % len(batches)]))
    return seconds


def _seconds(predict: Callable[[Tensor], object], batch: Tensor) -> float:
    synchronize(batch.device)
    started = time.perf_counter()
    predict(batch)
    synchronize(batch.device)
    return time.perf_counter() - started


def count_parameters(model: nn.Module) -> tuple[int, int]:
    """The numbers of all and of the trainable parameters."""
    sizes = [(p.numel(), p.requires_grad) for p in model.parameters()]
    return sum(n for n, _ in sizes), sum(n for n, trainable in sizes if trainable)
