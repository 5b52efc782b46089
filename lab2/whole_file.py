"""Writes files atomically: a reader finds the whole file or none."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4


def write_whole(path: Path, content: bytes, *, sync: bool = True) -> None:
    """Write `content` to `path` atomically. Raises `OSError` as `whole_file` does."""
    with whole_file(path, sync=sync) as file:
        file.write(content)


def write_files(folder: Path, files: Iterable[tuple[str, bytes]]) -> tuple[list[str], list[OSError]]:
    """Write each of `files`, a name and its content, into `folder`, which is made where it is not there.

    Returns the names of those that were written, and the errors of the others.
    """
    written: list[str] = []
    refused: list[OSError] = []
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        return written, [error]
    for name, content in files:
        try:
            write_whole(folder / name, content)
            written.append(name)
        except OSError as error:  # go on with the other files
            refused.append(error)
    return written, refused


@contextmanager
def whole_file(path: Path, *, sync: bool = True) -> Iterator[BinaryIO]:
    """A file to write to, under a temporary name. At the end it is renamed to `path`.

    `sync`: file and folder are synced, so that content and name survive a power cut. Raises `OSError` where it cannot
    be written; an older file at `path` is not changed then.
    """
    try:
        with _renamed(path, sync=sync) as file:
            yield file
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error  # names `path`, not the temporary file


@contextmanager
def _renamed(path: Path, *, sync: bool) -> Iterator[BinaryIO]:
    name = path.parent / f".{path.name}.{uuid4().hex[:12]}.tmp"
    # Not mkstemp, whose files are private: others may read a run, as far as the user's umask allows.
    handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            if sync:
                os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        name.unlink(missing_ok=True)
        raise
    if not sync:
        return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
