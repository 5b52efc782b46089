"""Reads files that another process may have put there: only regular files up to a size limit, otherwise an error.

The path in a run may be anything. Opening a FIFO blocks until it has a writer, `/dev/zero` has no end, and a sparse
file of 3 GB takes no space on the disk but would fill the memory. Source: open(2), O_NONBLOCK; fifo(7); inode(7) for
the kinds of files.
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

# Size limits in bytes.
SMALL = 2**20  # for a note or a shard, which have some hundred bytes
LISTS = 2**28  # for files that grow with the number of trials or epochs (100,000 trials: about 10 MiB), and for images
LARGE = 2**36  # for weights, checkpoints and predictions, which libraries read and check piece by piece

_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
# The kinds of files that cannot be opened at all, by the error of open(2).
_UNOPENED = {
    errno.ENOENT: "a link to what is not there",
    errno.ELOOP: "a link that leads in a circle",
    errno.ENXIO: "a socket or a device",
}
_PIECE = 2**20  # bytes read at once


class IrregularFileError(OSError):
    """A path is no regular file, or larger than its limit. It has `strerror` and `filename`."""


def read_regular(path: Path, limit: int) -> bytes:
    """The content of the file at `path`, at most `limit` bytes.

    Raises `IrregularFileError` for a larger file and for what is no regular file, `OSError` where it cannot be read.
    """
    content = bytearray()
    with _opened(path, limit) as handle:
        piece_size = min(os.fstat(handle).st_size + 1, _PIECE)
        while piece := os.read(handle, piece_size):
            content += piece
            if len(content) > limit:  # files in /proc report no size, and a file may grow while it is read
                raise _too_large(path, len(content), limit)
    return bytes(content)


@contextmanager
def regular_file(path: Path, limit: int | None = None) -> Iterator[BufferedReader]:
    """The file at `path`, open for reading in pieces. `limit` and errors are those of `read_regular`."""
    with _opened(path, limit) as handle, os.fdopen(handle, "rb", closefd=False) as file:
        yield file


def check_regular(path: Path, limit: int | None = None) -> None:
    """Raise the errors of `read_regular` without reading. For a library that opens `path` itself."""
    with _opened(path, limit):
        pass


def check_open(handle: int, path: Path, limit: int | None = None) -> None:
    """Like `check_regular`, for a file that is open already; it must have been opened with O_NONBLOCK."""
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "something else")
        raise IrregularFileError(errno.EINVAL, f"{kind}, wanted a regular file", str(path))
    if limit is not None and status.st_size > limit:
        raise _too_large(path, status.st_size, limit)


def clear_path(path: Path) -> None:
    """Remove the file at `path`, if any. A directory is not deleted but moved into a hidden folder beside it.

    Raises `OSError` where that is not possible.
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
