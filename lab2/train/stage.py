"""One stage of training: the order of the images, the optimiser, and the progress."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.profiler import record_function

from lab2.spec.job import TrainConfig
from lab2.train.graph import EAGER_STEPS, GraphedSteps, LossOf
from lab2.train.optimizer import Group, OneCycle

State = dict[str, Any]  # tensors, numbers, strings, and dicts and lists of them: `torch.load` reads them as data


@dataclass(frozen=True, slots=True)
class Step:
    """A training step that is done. Its tensors stay on their device: reading one waits for the accelerator."""

    number: int  # from 1
    total: int
    images: int  # training images so far, repetitions included
    epoch: float  # passes over the training images so far
    loss: Tensor | None  # scalar, detached; None: the step has none, as it fits all at once
    gradient_norm: Tensor  # scalar, before clipping
    skipped: bool = False  # fp16: the scaled gradient overflowed, so nothing was updated; the next scale is smaller

    @property
    def last(self) -> bool:
        return self.number == self.total


def count_steps(images: int, batch_size: int, epochs: float) -> int:
    """The number of whole batches in `epochs` passes over `images`, at least one."""
    return max(1, int(images * epochs / batch_size + 1e-9))  # a length in images is a multiple, but for rounding


class Stage:
    """Iterates over batches of image indices; the caller passes `step` what the loss is computed of, and how.

    All batches have the same size: at the end of a permutation the batch is filled from the next one. The rest of the
    stage depends only on `state`, the network and torch's random number generators.
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
        graphed: bool = False,
        counted: bool = False,
    ) -> None:
        """`graphed`: the steps are replayed as a CUDA graph, where the network is on a GPU and no step waits for it.

        `counted`: it is known that none does.
        """
        self.images = images
        self.batch_size = config.batch_size
        self.generator = generator
        self.total = count_steps(images, config.batch_size, epochs)
        self.optimizer = OneCycle(parameter_groups, config, self.total, precision=precision, outer=outer)
        device = self.optimizer.device
        can = graphed and device.type == "cuda" and precision != "fp16"  # fp16 looks at each gradient, and so waits
        self._graph = GraphedSteps(device, counted=counted) if can else None
        self.number = 0  # steps that are done
        self.left = torch.empty(0, dtype=torch.int64)  # indices of the current permutation that are not yet used

    def __iter__(self) -> Iterator[Tensor]:
        while self.number < self.total:
            while len(self.left) < self.batch_size:
                self.left = torch.cat([self.left, torch.randperm(self.images, generator=self.generator)])
            batch, self.left = self.left[: self.batch_size], self.left[self.batch_size :]
            yield batch

    @property
    def waits(self) -> bool:
        """Whether a step was found to wait for the GPU."""
        return self._graph is not None and bool(self._graph.waits)

    @property
    def replayed(self) -> bool:
        """Whether the steps are replayed as a CUDA graph by now."""
        return self._graph is not None and self._graph.recorded

    @property
    def uneven_steps(self) -> int:
        """How many steps take longer than those after them: they allocate memory, choose kernels, record a graph."""
        return 1 if self._graph is None else EAGER_STEPS + 1

    def step(self, loss_of: LossOf, *inputs: Tensor) -> Step:
        """Update the parameters by the gradient of the scalar loss of `inputs`.

        Within a stage `loss_of` is always the same function, and the inputs have the same shapes.
        """
        if self._graph is None:
            loss, gradient_norm = self._update(loss_of, inputs)
        else:
            loss, gradient_norm = self._graph.step(self._update, loss_of, inputs)
        self.optimizer.advance()
        self.number += 1
        seen = self.number * self.batch_size
        return Step(self.number, self.total, seen, seen / self.images, loss, gradient_norm, self.optimizer.skipped)

    def _update(self, loss_of: LossOf, inputs: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """The loss of `inputs` and the norm of its gradient, by which the parameters are updated."""
        with record_function("forward"):
            loss = loss_of(*inputs)
        norm = self.optimizer.update(loss)
        return loss.detach(), norm

    def end_in(self, steps: int) -> None:
        """End after so many more steps, the schedule of the learning rate with them."""
        self.total = self.number + steps
        if steps:
            self.optimizer.end_in(steps)

    def state(self) -> State:
        """The state of the stage. Call it between two steps."""
        return {
            "number": self.number,
            "total": self.total,
            "left": self.left,
            "generator": self.generator.get_state(),
            "optimizer": self.optimizer.state(),
        }

    def restore(self, state: State) -> None:
        """Continue from `state`, bit for bit."""
        self.number, self.total = state["number"], state["total"]
        self.left = state["left"]
        self.generator.set_state(state["generator"])
        self.optimizer.restore(state["optimizer"])
