"""Handles the signals that end a trial: records them when they arrive, and stops where no work is lost."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Literal, Self

StopStatus = Literal["timeout", "cancelled"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)


class Stopped(BaseException):
    """A signal ended the trial. It is no `Exception`, so that no `except Exception` takes it for a failure."""

    def __init__(self, status: StopStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class StopSignal:
    """Records the first signal that arrives inside the block.

    `Stopped` is raised by the next call of `obey`, or by the signal itself inside `immediate`.
    """

    def __init__(self) -> None:
        self.asked: Stopped | None = None
        self._immediate = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def immediate(self) -> Iterator[None]:
        """Inside, a signal raises `Stopped` at once. A signal that arrived before raises it on entry."""
        with self._reacting(immediate=True):
            self.obey()
            yield

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Inside, a signal is only recorded until `obey` is called: it must not interrupt a training step."""
        with self._reacting(immediate=False):
            yield

    @contextmanager
    def _reacting(self, *, immediate: bool) -> Iterator[None]:
        before, self._immediate = self._immediate, immediate
        try:
            yield
        finally:
            self._immediate = before

    def obey(self) -> None:
        """Raise `Stopped` if a signal has arrived."""
        if self.asked is not None:
            raise self.asked

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self.asked is not None:
            return  # a second signal must not interrupt the writing of the shard or the checkpoint
        if number == signal.SIGUSR2:  # submitit and Slurm send it before the time limit
            self.asked = Stopped(
                "timeout", "its time was up; lab2 resume --set resources.timeout_min=... gives it more"
            )
        else:
            self.asked = Stopped("cancelled", f"stopped by {signal.Signals(number).name}")
        if self._immediate:
            raise self.asked
