"""One stage of training: the order of the images, the optimiser, and where it stands."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lab2.spec.job import TrainConfig
from lab2.train.optimizer import Group, OneCycle

State = dict[str, Any]  # tensors, numbers, words, and dicts and lists of them: what `torch.load` reads as data


@dataclass(frozen=True, slots=True)
class Step:
    """One step is done. Tensors stay on their device: reading one would make the accelerator wait."""

    number: int  # from 1
    total: int
    images: int  # seen so far, each as often as it was
    epoch: float  # passes over the training images so far
    loss: Tensor  # scalar, detached
    gradient_norm: Tensor  # scalar, before clipping
    skipped: bool = False  # fp16: its scaled gradient overflowed, nothing moved, and the next scale is smaller

    @property
    def last(self) -> bool:
        return self.number == self.total


def count_steps(images: int, batch_size: int, epochs: float) -> int:
    """Whole batches in `epochs` passes; at least one."""
    return max(1, int(images * epochs / batch_size))


class Stage:
    """Gives the indices of one batch after another; told the batch's loss, makes the step.

    All batches have one size: a new permutation follows on the last one. Between two steps `state` is all
    that the rest depends on, besides the network and torch's own random numbers.
    """

    def __init__(
        self,
        parameter_groups: list[Group],
        config: TrainConfig,
        *,
        images: int,
        epochs: float,
        generator: torch.Generator,
        precision: str = "fp32",
        outer: Collection[nn.Parameter] = (),
    ) -> None:
        self.images = images
        self.batch_size = config.batch_size
        self.generator = generator
        self.total = count_steps(images, config.batch_size, epochs)
        self.optimizer = OneCycle(parameter_groups, config, self.total, precision=precision, outer=outer)
        self.number = 0  # steps that are done
        self.left = torch.empty(0, dtype=torch.int64)  # of the permutations drawn so far

    def __iter__(self) -> Iterator[Tensor]:
        while self.number < self.total:
            while len(self.left) < self.batch_size:
                self.left = torch.cat([self.left, torch.randperm(self.images, generator=self.generator)])
            batch, self.left = self.left[: self.batch_size], self.left[self.batch_size :]
            yield batch

    def step(self, loss: Tensor) -> Step:
        """Move the weights against the gradient of the scalar `loss`."""
        gradient_norm = self.optimizer.step(loss)
        self.number += 1
        seen = self.number * self.batch_size
        return Step(
            self.number, self.total, seen, seen / self.images, loss.detach(), gradient_norm, self.optimizer.skipped
        )

    def state(self) -> State:
        """To be taken between two steps."""
        return {
            "number": self.number,
            "left": self.left,
            "generator": self.generator.get_state(),
            "optimizer": self.optimizer.state(),
        }

    def restore(self, state: State) -> None:
        """Go on from where `state` was taken, bit for bit."""
        self.number = state["number"]
        self.left = state["left"]
        self.generator.set_state(state["generator"])
        self.optimizer.restore(state["optimizer"])
