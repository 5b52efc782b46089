"""Whole training steps as CUDA graphs: one launch for a step, where Python would make hundreds, one by one.

Source: "CUDA Graphs" in torch's notes on CUDA semantics. A graph repeats the recorded kernels on the same memory, so
its bits are those of a step without one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

LOG = logging.getLogger("lab2")

EAGER_STEPS = 2  # before the recording: in them optimisers make their state, and libraries choose their kernels

LossOf = Callable[..., Tensor]  # a step's inputs to its loss, a scalar
# Updates the network by that loss: the loss, detached, and the gradient's norm before clipping.
Update = Callable[[LossOf, tuple[Tensor, ...]], tuple[Tensor, Tensor]]


class GraphedSteps:
    """Steps whose function of the loss and whose shapes of inputs are always the same: a few eager ones, then a graph.

    Where the step cannot be recorded, because something in it waits for the GPU, all steps are eager.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], device: torch.device) -> None:
        self._parameters = parameters
        self._device = device
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
            outputs = update(loss_of, inputs)
        current.wait_stream(self._stream)
        return outputs

    def _record(self, update: Update, loss_of: LossOf, inputs: tuple[Tensor, ...]) -> bool:
        """Record a step, if it is time to and can be done. Nothing of it is computed yet."""
        self._eager_steps += 1
        if self._eager_steps != EAGER_STEPS + 1:
            return False
        current = torch.cuda.current_stream(self._device)
        graph = torch.cuda.CUDAGraph()
        self._inputs = tuple(one.clone() for one in inputs)
        try:
            with torch.cuda.graph(graph, stream=self._stream):
                self._outputs = update(loss_of, self._inputs)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            torch.cuda.set_stream(current)  # torch leaves that of the recording, where ending it fails, too
            for parameter in self._parameters:  # its gradients are memory of the recording, which nothing computed
                parameter.grad = None
            self._inputs, self._outputs = (), ()
            why = error.__context__ or error
            LOG.warning("the training step cannot be recorded as a CUDA graph, so each kernel is launched: %s", why)
            return False
        self._graph, self._loss_of = graph, loss_of
        return True
