"""Whole training steps as CUDA graphs: one launch for a step, where Python would make hundreds, one by one.

Source: "CUDA Graphs" in torch's notes on CUDA semantics. A graph repeats the recorded kernels on the same memory, so
its bits are those of a step without one.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable

import torch
from torch import Tensor

from lab2.errors import TrainingError
from lab2.measure.out_of_memory import ran_out_of_memory
from lab2.train.waits import Waits

LOG = logging.getLogger("lab2")

EAGER_STEPS = 2  # before the recording: in them optimisers make their state, and libraries choose their kernels

LossOf = Callable[..., Tensor]  # a step's inputs to its loss, a scalar
# Updates the network by that loss: the loss, detached, and the gradient's norm before clipping.
Update = Callable[[LossOf, tuple[Tensor, ...]], tuple[Tensor, Tensor]]


class GraphedSteps:
    """Steps whose function of the loss and whose shapes of inputs are always the same: a few eager ones, then a graph.

    In the first one its waits for the GPU are counted. Where there are any, it cannot be recorded, and all steps are
    eager: a recording that fails may leave torch's allocator and its generators as if it went on, so none is tried.
    """

    def __init__(self, device: torch.device, *, counted: bool = False) -> None:
        """`counted`: such a step was found to wait nowhere, so that it is not counted again."""
        self.waits: Counter[str] = Counter()  # of a step, by operation
        self._device = device
        self._counted = counted
        self._stream = torch.cuda.Stream(device)
        self._eager_steps = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._loss_of: LossOf | None = None  # that is recorded
        self._inputs: tuple[Tensor, ...] = ()
        self._outputs: tuple[Tensor, ...] = ()

    def step(self, update: Update, loss_of: LossOf, inputs: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """What `update` gives of `loss_of` and `inputs`, from a replay if there is a recording."""
        if self._graph is None and not self._record(update, loss_of, inputs):
            return self._eagerly(update, loss_of, inputs)
        assert self._graph is not None
        assert loss_of is self._loss_of
        for recorded, given in zip(self._inputs, inputs, strict=True):
            recorded.copy_(given, non_blocking=True)
        self._graph.replay()
        loss, norm = (output.clone() for output in self._outputs)  # the next step writes over the graph's own
        return loss, norm

    def _eagerly(self, update: Update, loss_of: LossOf, inputs: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Not on the default stream: what was begun there cannot be recorded."""
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            outputs = update(loss_of, inputs) if self._counted else self._count(update, loss_of, inputs)
        current.wait_stream(self._stream)
        return outputs

    def _count(self, update: Update, loss_of: LossOf, inputs: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Update the network, and count where that waits."""
        with Waits(self._device) as counted:
            outputs = update(loss_of, inputs)
        self._counted, self.waits = True, counted.found
        if self.waits:
            where = ", ".join(f"{name} {times}" for name, times in self.waits.most_common(3))
            LOG.warning("a training step waits for the GPU (%s), so no CUDA graph of it is recorded", where)
        return outputs

    @property
    def recorded(self) -> bool:
        """Whether steps are replayed."""
        return self._graph is not None

    def _record(self, update: Update, loss_of: LossOf, inputs: tuple[Tensor, ...]) -> bool:
        """Record a step, if it is time to and can be done. Nothing of it is computed yet.

        Raises `TrainingError` where it could not be recorded all the same.
        """
        self._eager_steps += 1
        if self._eager_steps <= EAGER_STEPS or self.waits:
            return False
        graph = torch.cuda.CUDAGraph()
        self._inputs = tuple(one.clone() for one in inputs)
        try:
            with torch.cuda.graph(graph, stream=self._stream):
                self._outputs = update(loss_of, self._inputs)
        except RuntimeError as error:
            if ran_out_of_memory(error):
                raise
            why = str(error.__context__ or error).partition("\n")[0]  # of two, the first
            raise TrainingError(
                f"the training step cannot be recorded as a CUDA graph: {why}; --set train.cuda_graph=off launches "
                "each kernel instead"
            ) from error
        self._graph, self._loss_of = graph, loss_of
        return True
