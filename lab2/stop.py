"""The signals that end a trial: noted at once, obeyed where nothing is lost."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Literal, Self

StopStatus = Literal["timeout", "cancelled"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)


class Stopped(BaseException):
    """A signal ended the trial. Not an `Exception`: nothing on the way may take it for a failure."""

    def __init__(self, status: StopStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class StopSignal:
    """Notes a signal that comes inside. `obey` raises `Stopped`, and inside `immediate` the signal itself does."""

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
        """Inside, a signal raises `Stopped` at once; so does one that has come before."""
        with self._reacting(immediate=True):
            self.obey()
            yield

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Inside, a signal is only noted, until `obey`: a training step must not be torn."""
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
        """Raise `Stopped` if a signal has come."""
        if self.asked is not None:
            raise self.asked

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self.asked is not None:
            return  # once is enough: a second one would interrupt the writing of what is left
        if number == signal.SIGUSR2:  # what submitit and Slurm send before the time is up
            self.asked = Stopped(
                "timeout", "its time was up; lab2 resume --set resources.timeout_min=... gives it more"
            )
        else:
            self.asked = Stopped("cancelled", f"stopped by {signal.Signals(number).name}")
        if self._immediate:
            raise self.asked
