"""A lock that a process holds while it works on something: the kernel lets go of it however the process ends."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab2.errors import RunError
from lab2.regular_file import SMALL, IrregularFileError, check_open, read_regular, regular_file

_NO_LOCKS_HERE = (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK)
ASKING_SECONDS = 5.0  # patience for somebody who is just asking
DEAD_NODE_SECONDS = 180.0  # patience for a file server that has not yet noticed that the holder's node died


@contextmanager
def held(
    path: Path, otherwise: str = "another process is running this trial", patience_seconds: float = ASKING_SECONDS
) -> Iterator[None]:
    """Hold the lock at `path`; raises `RunError` that says `otherwise` where another process holds it.

    Raises `IrregularFileError` where no regular file lies there.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, 0o644)
    try:
        check_open(handle, path)
        until = time.monotonic() + patience_seconds
        while not _try(handle, fcntl.LOCK_EX):
            if time.monotonic() > until:
                raise RunError(f"{path}: {otherwise}; wait for it, or stop it")
            time.sleep(0.05)
        os.ftruncate(handle, 0)
        os.write(handle, f"{os.getpid()} {_where()}\n".encode())
        yield
    finally:
        os.close(handle)


def is_held(path: Path) -> bool:
    """Whether a process of this machine holds the lock. Asking is shared: two who ask do not see each other."""
    try:
        with regular_file(path) as file:
            return not _try(file.fileno(), fcntl.LOCK_SH)
    except (FileNotFoundError, IrregularFileError):  # what is no file nobody can hold
        return False


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock. On another machine, or in a container, its process id means another process here."""

    pid: int
    where: str

    @property
    def here(self) -> bool:
        return self.where == _where()


def holder(path: Path) -> Holder | None:
    """Whoever holds the lock; None where nobody does, or has just begun to."""
    text = read_regular(path, SMALL).decode(errors="replace").strip() if is_held(path) else ""
    pid, _, where = text.partition(" ")
    return Holder(int(pid), where) if pid.isdecimal() else None


def _where() -> str:
    """This machine, and the processes that see each other on it."""
    try:
        return f"{socket.gethostname()} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # not Linux
        return socket.gethostname()


def _try(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS_HERE:
            raise
        return True  # some cluster file systems have none; there the scheduler keeps trials apart
    return True
