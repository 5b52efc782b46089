"""A lock that a trial holds while it runs: the kernel lets go of it however the process ends."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab2.errors import RunError

_PATIENCE_SECONDS = 5.0  # somebody may just be asking


@contextmanager
def held(path: Path, otherwise: str = "another process is running this trial") -> Iterator[None]:
    """Hold the lock at `path`; raises `RunError` that says `otherwise` where another process holds it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        until = time.monotonic() + _PATIENCE_SECONDS
        while not _try(handle, fcntl.LOCK_EX):
            if time.monotonic() > until:
                raise RunError(f"{path}: {otherwise}; wait for it, or stop it")
            time.sleep(0.05)
        os.ftruncate(handle, 0)
        os.write(handle, b"%d\n" % os.getpid())
        yield
    finally:
        os.close(handle)


def is_held(path: Path) -> bool:
    """Whether a process of this machine holds the lock. Asking is shared: two who ask do not see each other."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return not _try(handle, fcntl.LOCK_SH)
    finally:
        os.close(handle)


def holder(path: Path) -> int | None:
    """The process id of whoever holds the lock; None where nobody does, or has just begun to."""
    text = path.read_text().strip() if is_held(path) else ""
    return int(text) if text else None


def _try(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
