"""Reading what another process has written: a regular file of a sane size, or an error; never a wait, never a device.

What lies in a run may be anything. To open a FIFO waits for its writer, `/dev/zero` has no end, and a sparse file of
3 GB needs no place on the disk but all of the memory. Source: open(2), O_NONBLOCK; fifo(7); inode(7) for the kinds.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

SMALL = 2**20  # bytes; a note or a row has some hundred
LISTS = 2**28  # what grows with the number of trials or epochs (100,000 trials: about 10 MiB), and an image
LARGE = 2**36  # weights, checkpoints, predictions: read by libraries that check them piece by piece

_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
# What cannot be opened at all, by the error that says so.
_UNOPENED = {
    errno.ENOENT: "a link to what is not there",
    errno.ELOOP: "a link that leads in a circle",
    errno.ENXIO: "a socket or a device",
}
_PIECE = 2**20  # bytes read at once


class IrregularFileError(OSError):
    """What lies there is no regular file, or a larger one than is sane. It has `strerror` and `filename`."""


def read_regular(path: Path, limit: int) -> bytes:
    """All of the file at `path`, of at most `limit` bytes.

    Raises `IrregularFileError` for a larger one and for whatever is no regular file, other `OSError` as the disk does.
    """
    content = bytearray()
    with _opened(path, limit) as handle:
        at_once = min(os.fstat(handle).st_size + 1, _PIECE)
        while piece := os.read(handle, at_once):
            content += piece
            if len(content) > limit:  # it has no size of its own, or grows
                raise _too_large(path, len(content), limit)
    return bytes(content)


@contextmanager
def regular_file(path: Path, limit: int | None = None) -> Iterator[BufferedReader]:
    """The file at `path`, open to be read in pieces; `limit` and errors are those of `read_regular`."""
    with _opened(path, limit) as handle, os.fdopen(handle, "rb", closefd=False) as file:
        yield file


def check_regular(path: Path, limit: int | None = None) -> None:
    """For a library that opens `path` by itself: raise what `read_regular` would before it reads."""
    with _opened(path, limit):
        pass


def check_open(handle: int, path: Path, limit: int | None = None) -> None:
    """The same for what is open already, without blocking (O_NONBLOCK)."""
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode):
        what = _KINDS.get(stat.S_IFMT(found.st_mode), "something else")
        raise IrregularFileError(errno.EINVAL, f"{what}, wanted a regular file", str(path))
    if limit is not None and found.st_size > limit:
        raise _too_large(path, found.st_size, limit)


def make_way(path: Path) -> None:
    """Let `path` be free for a new file. A directory that lies there is kept, in a hidden one beside it.

    Raises `OSError` as the disk does.
    """
    if path.is_dir() and not path.is_symlink():
        path.rename(Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.")) / path.name)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def _opened(path: Path, limit: int | None) -> Iterator[int]:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        if error.errno not in _UNOPENED or (error.errno == errno.ENOENT and not path.is_symlink()):
            raise
        raise IrregularFileError(error.errno, f"{_UNOPENED[error.errno]}, wanted a regular file", str(path)) from None
    try:
        check_open(handle, path, limit)
        yield handle
    finally:
        os.close(handle)


def _too_large(path: Path, size: int, limit: int) -> IrregularFileError:
    return IrregularFileError(errno.EFBIG, f"{size:,} bytes or more, wanted {limit:,} at most", str(path))
