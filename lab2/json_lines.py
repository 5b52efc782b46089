"""Files with a JSON record in each line, to which lines are appended. A line that a crash cut off spoils no other."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from lab2.regular_file import LISTS, check_open, read_regular

T = TypeVar("T")


def append_line(path: Path, line: bytes, *, mode: int = 0o666, sync: bool = False) -> None:
    """Append `line`, without its end, in one write; a last line that a crash cut off is ended first.

    `mode`: of a new file. `sync`: it shall survive a power cut. Raises `OSError` where it cannot be written whole, and
    for a FIFO without a reader, where an open without O_NONBLOCK would hang.
    """
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK, mode)
    try:
        check_open(handle, path)
        size = os.fstat(handle).st_size
        whole = not size or os.pread(handle, 1, size - 1) == b"\n"
        content = line + b"\n" if whole else b"\n" + line + b"\n"
        if os.write(handle, content) < len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        if sync:
            os.fsync(handle)
    finally:
        os.close(handle)


def read_lines(path: Path, kind: TypeAdapter[T]) -> tuple[list[T], int]:
    """The records of `path`, and how many lines hold none. Raises `OSError` where it cannot be read."""
    records = []
    lines = read_regular(path, LISTS).splitlines()
    for line in lines:
        try:
            records.append(kind.validate_json(line))
        except ValidationError:
            continue
    return records, len(lines) - len(records)
