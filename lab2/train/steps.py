"""What both loops share: the order of the images, and what they tell after each step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Step:
    """One step is done. `loss` stays on its device: reading it would make the accelerator wait."""

    number: int  # from 1
    total: int
    epoch: float  # passes over the training images so far
    loss: Tensor  # scalar, detached
    ends_epoch: bool


def count_steps(images: int, batch_size: int, epochs: float) -> int:
    """Whole batches in `epochs` passes; at least one."""
    return max(1, int(images * epochs / batch_size))


def batches(images: int, batch_size: int, epochs: float, generator: torch.Generator) -> Iterator[Tensor]:
    """Indices of `count_steps` batches, all of one size: a new permutation follows on the last one."""
    left = torch.empty(0, dtype=torch.int64)
    for _ in range(count_steps(images, batch_size, epochs)):
        while len(left) < batch_size:
            left = torch.cat([left, torch.randperm(images, generator=generator)])
        yield left[:batch_size]
        left = left[batch_size:]


def after(number: int, total: int, seen: int, images: int, batch_size: int, loss: Tensor) -> Step:
    """The step of that `number`, when `seen` images have gone through before it."""
    ends = seen // images != (seen + batch_size) // images or number == total
    return Step(number, total, (seen + batch_size) / images, loss.detach(), ends)
