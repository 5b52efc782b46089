"""A CPU as if it were a GPU: its optimisers, whose learning rates are tensors, and torch's CUDA graphs.

What stands in for a graph repeats what was recorded by calling the recorded function again on the same tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor

from lab2.train.graph import LossOf, Update
from lab2.train.optimizer import OneCycle


def _make_capturable(cycle: OneCycle) -> None:
    cycle.device = torch.device("cuda")
    for group in (group for optimizer in cycle.optimizers for group in optimizer.param_groups):
        group["lr"] = torch.as_tensor(group["lr"], dtype=torch.float32)
        group["capturable"] = True


def optimize_as_on_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on, and for stages: those take their GPU's graph where steps are to be replayed."""
    monkeypatch.setattr(OneCycle, "_make_capturable", _make_capturable)


def by_loss(loss_of: LossOf, inputs: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    """No update: the loss, and no gradient."""
    return loss_of(*inputs), torch.zeros(())


class Graph:
    """Stands in for `torch.cuda.CUDAGraph`."""

    def __init__(self) -> None:
        self.recorded: Callable[[], object] = lambda: None

    def replay(self) -> None:
        self.recorded()


class Recorder:
    """Updates by a loss alone, or as it is told; while an update is recorded nothing is computed."""

    def __init__(self) -> None:
        self.recording: Graph | None = None
        self.calls: list[str] = []
        self.error = ""  # of an operation while recording
        self.ending_fails = False  # then, too, as with torch

    @contextmanager
    def graph(self, graph: Graph, stream: object) -> Iterator[None]:  # torch's signature
        self.recording = graph
        try:
            yield
        finally:
            self.recording = None
            if self.error and self.ending_fails:
                raise RuntimeError("operation failed due to a previous error during capture")

    def update(self, loss_of: LossOf, inputs: tuple[Tensor, ...], how: Update = by_loss) -> tuple[Tensor, Tensor]:
        if self.recording is None:
            self.calls.append("eager")
            return how(loss_of, inputs)
        if self.error:
            raise RuntimeError(self.error)
        self.calls.append("recorded")
        outputs = torch.zeros(()), torch.zeros(())

        def again() -> None:
            self.calls.append("replayed")
            for output, value in zip(outputs, how(loss_of, inputs), strict=True):
                output.copy_(value)

        self.recording.recorded = again
        return outputs


def graphs_stood_in(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """What stands in for torch's CUDA graphs, streams and recordings from now on."""
    recorder = Recorder()

    class Stream:
        def wait_stream(self, other: Any) -> None: ...

    @contextmanager
    def on(stream: Stream) -> Iterator[None]:
        yield

    monkeypatch.setattr(torch.cuda, "Stream", lambda _: Stream())
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: Stream())
    monkeypatch.setattr(torch.cuda, "set_stream", lambda _: None)
    monkeypatch.setattr(torch.cuda, "stream", on)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", recorder.graph)
    return recorder
