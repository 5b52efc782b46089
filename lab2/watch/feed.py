"""What the server shows, made anew when somebody asks and it is older than a while: nobody asks Slurm for no reader."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from lab2.errors import Lab2Error
from lab2.results.run_dir import RunDir
from lab2.watch.page import live_page, now_html, summary
from lab2.watch.standing import Standing, Watcher, unreadable

MOST_BUSY = 10  # times as long as it takes to look at a run passes until the next look, or more


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a reader gets."""

    version: int  # another number where anything has changed
    page: bytes  # the whole page
    policy: str  # its content security policy
    html: str  # what changes in it
    summary: str
    ended: bool  # the page is that of the report


class Feed:
    """The newest state of a run for any number of readers, each in a thread of its own.

    `final` makes the report's page of a run that has ended. A look at the run is at most one in `seconds`.
    """

    def __init__(self, run: RunDir, seconds: float, final: Callable[[], bytes]) -> None:
        self._watcher, self._seconds, self._final = Watcher(run), seconds, final
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._due = 0.0  # on the monotonic clock
        self._standing: Standing | None = None
        self._shown: Shown | None = None
        self._reported: tuple[object, bytes] | None = None  # what the last report's page was made of, and the page

    def newest(self) -> Shown:
        """What is to be shown now. Raises `Lab2Error` and `OSError` where the run was never readable."""
        with self._lock:
            if self._shown is None or time.monotonic() >= self._due:
                self._shown = self._made(self._shown)
            return self._shown

    def pause(self) -> bool:
        """Wait until it is worth asking again. False: the server ends."""
        return not self._stopped.wait(self._seconds)

    def stop(self) -> None:
        """Let the readers' threads end."""
        self._stopped.set()

    def _made(self, before: Shown | None) -> Shown:
        trouble = ""
        try:
            self._standing = self._watcher.look()
        except (Lab2Error, OSError) as error:
            if self._standing is None:
                raise
            trouble = f"nothing newer can be read: {unreadable(error)}"
        standing = self._standing
        self._due = time.monotonic() + max(self._seconds, MOST_BUSY * standing.took_seconds)
        if standing.ended and not trouble:
            try:
                return self._of(before, self._report(standing), "", "", summary(standing), ended=True)
            except (Lab2Error, OSError) as error:
                trouble = f"the run has ended, and its report cannot be made: {unreadable(error)}"
        page, policy = live_page(standing, trouble)
        return self._of(before, page, policy, now_html(standing, trouble), summary(standing), ended=False)

    def _report(self, standing: Standing) -> bytes:
        """The report's page, made once for the same results."""
        of = tuple((line.trial, line.state) for line in standing.trials)
        if self._reported is None or self._reported[0] != of:
            self._reported = of, self._final()
        return self._reported[1]

    @staticmethod
    def _of(before: Shown | None, page: bytes, policy: str, html: str, said: str, *, ended: bool) -> Shown:
        same = before is not None and (before.html, before.ended, before.summary) == (html, ended, said)
        version = before.version if before is not None and same else before.version + 1 if before else 0
        return Shown(version=version, page=page, policy=policy, html=html, summary=said, ended=ended)
