"""A lock on a file, held while a process works. The kernel releases it when the process ends, even in a crash."""

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
ASKING_SECONDS = 5.0  # longer than the moment for which `is_held` of another process takes the lock
DEAD_NODE_SECONDS = 180.0  # longer than a file server needs to release the locks of a node that died


@contextmanager
def held(
    path: Path,
    otherwise: str = "another process is running this trial",
    patience_seconds: float = ASKING_SECONDS,
    mode: int = 0o644,
) -> Iterator[None]:
    """Hold the lock at `path`, waiting up to `patience_seconds` for it. `mode`: of the file, less the umask.

    Raises `RunError` with the text `otherwise` where another process still holds it, and `IrregularFileError` where
    `path` is no regular file.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, mode)
    try:
        check_open(handle, path)
        deadline = time.monotonic() + patience_seconds
        while not _try(handle, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                raise RunError(f"{path}: {otherwise}; wait for it, or stop it")
            time.sleep(0.05)
        os.ftruncate(handle, 0)
        os.write(handle, f"{os.getpid()} {_where()}\n".encode())
        yield
    finally:
        os.close(handle)


def is_held(path: Path) -> bool:
    """Whether a process holds the lock. It tries a shared lock, so that two processes may ask at the same time."""
    try:
        with regular_file(path) as file:
            return not _try(file.fileno(), fcntl.LOCK_SH)
    except (FileNotFoundError, IrregularFileError):  # `held` locks regular files only
        return False


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds a lock. Its process id is valid only if it runs `here`.

    On another machine or in a container the same number names another process.
    """

    pid: int
    where: str

    @property
    def here(self) -> bool:
        return self.where == _where()


def holder(path: Path) -> Holder | None:
    """The process that holds the lock; None where none does, or where it has not yet written its process id."""
    text = read_regular(path, SMALL).decode(errors="replace").strip() if is_held(path) else ""
    pid, _, where = text.partition(" ")
    return Holder(int(pid), where) if pid.isdecimal() else None


def _where() -> str:
    """The host's name, and its PID namespace where there are any."""
    try:
        return f"{socket.gethostname()} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # not Linux: no PID namespaces
        return socket.gethostname()


def _try(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS_HERE:
            raise
        return True  # some cluster file systems have no locks; there only the scheduler keeps trials apart
    return True
