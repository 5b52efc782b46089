"""Whole training steps as CUDA graphs: one launch for a step, where Python would make hundreds, one by one.

Source: "CUDA Graphs" in torch's notes on CUDA semantics. A graph repeats the recorded kernels on the same memory, so
its bits are those of a step without one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

LOG = logging.getLogger("lab2")

EAGER_STEPS = 2  # before the recording: in them optimisers make their state, and libraries choose their kernels

# The loss (a scalar) of a step's inputs, then its update: the loss, detached, and the gradient's norm before clipping.
Update = Callable[[Callable[..., Tensor], tuple[Tensor, ...]], tuple[Tensor, Tensor]]


class Steps(Protocol):
    """How the steps of a stage are launched."""

    def __call__(self, loss_of: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]: ...


class GraphedSteps:
    """Steps whose `loss_of` and whose shapes of inputs are always the same: the first few eager, then one graph.

    Where the step cannot be recorded, because something in it waits for the GPU, all steps are eager.
    """

    def __init__(self, update: Update, device: torch.device) -> None:
        self._update = update
        self._stream = torch.cuda.Stream(device)
        self._eager_steps = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs: tuple[Tensor, ...] = ()
        self._outputs: tuple[Tensor, ...] = ()

    def __call__(self, loss_of: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        if self._graph is None and not self._record(loss_of, inputs):
            return self._eagerly(loss_of, inputs)
        assert self._graph is not None
        for recorded, given in zip(self._inputs, inputs, strict=True):
            recorded.copy_(given, non_blocking=True)
        self._graph.replay()
        loss, norm = (output.clone() for output in self._outputs)  # the next step writes over the graph's own
        return loss, norm

    def _eagerly(self, loss_of: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Not on the default stream: what was begun there cannot be recorded."""
        current = torch.cuda.current_stream()
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            outputs = self._update(loss_of, inputs)
        current.wait_stream(self._stream)
        return outputs

    def _record(self, loss_of: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> bool:
        """Record a step, if it is time to and can be done. Nothing of it is computed yet."""
        self._eager_steps += 1
        if self._eager_steps != EAGER_STEPS + 1:
            return False
        graph = torch.cuda.CUDAGraph()
        self._inputs = tuple(one.clone() for one in inputs)
        try:
            with torch.cuda.graph(graph, stream=self._stream):
                self._outputs = self._update(loss_of, self._inputs)
        except RuntimeError as error:
            LOG.warning("the training step cannot be recorded as a CUDA graph, so each kernel is launched: %s", error)
            return False
        self._graph = graph
        return True
