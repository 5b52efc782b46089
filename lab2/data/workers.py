"""Pictures read by all cores: in processes of their own, which end with the one that started them."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray

from lab2.data.formats import is_passing
from lab2.data.picture import Picture
from lab2.data.pixels import BrokenPictureError, Form, Look, decode, look
from lab2.data.stored import Measured
from lab2.errors import DataError
from lab2.measure.cores import available_cores

FEW = 400  # pictures; to start processes for fewer takes longer than to read them
_AT_ONCE = 32  # pictures handed to a process

Item = TypeVar("Item")
Found = TypeVar("Found")


class Workers:
    """Processes, started when there is enough for them to do. `dataset` is named in errors."""

    def __init__(self, cores: int, dataset: str) -> None:
        self.cores, self.dataset = cores, dataset
        self._pool: ProcessPoolExecutor | None = None

    def map(
        self,
        work: Callable[[Sequence[Item]], list[Found]],
        items: Sequence[Item],
        progress: Callable[[int], None],
    ) -> list[Found]:
        """What `work` makes of each of `items`, in their order; it is given some of them at a time.

        Raises `DataError` where a process was killed, or memory ran out.
        """
        pieces = [items[start : start + _AT_ONCE] for start in range(0, len(items), _AT_ONCE)]
        found: list[Found] = []
        try:
            for part in map(work, pieces) if len(items) < FEW or self.cores < 2 else self._started().map(work, pieces):
                found += part
                progress(len(found))
        except MemoryError as error:
            said = "memory ran out while its pictures were read; try again with more of it"
            raise DataError(f"{self.dataset}: {said}") from error
        except BrokenProcessPool as error:
            raise DataError(
                f"{self.dataset}: a process that read its pictures ended before it was done. If memory ran out, try "
                "again with more of it. If a script of yours started this, put its calls under "
                "`if __name__ == '__main__':`, because each such process imports the script"
            ) from error
        return found

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self.cores,
                mp_context=multiprocessing.get_context("spawn"),  # forking a process that has threads may lock up
                initializer=_end_with,
                initargs=(os.getpid(),),
            )
        return self._pool

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


@contextmanager
def workers(dataset: str) -> Iterator[Workers]:
    """As many as there are cores, for the pictures of `dataset`."""
    crew = Workers(available_cores(), dataset)
    try:
        yield crew
    finally:
        crew.close()


def digests(pictures: Sequence[Picture]) -> list[bytes]:
    """SHA-256 of each one's bytes; zeros where they cannot be read."""
    found = []
    for picture in pictures:
        try:
            with picture.opened() as file:
                found.append(hashlib.file_digest(file, "sha256").digest())
        except OSError:
            found.append(bytes(32))
    return found


def looks(pictures: Sequence[Picture]) -> list[Look | str]:
    """What each one is, or why it cannot be read."""
    return [_attempt(picture, look) for picture in pictures]


@dataclass(frozen=True, slots=True)
class Row:
    """What is known of a row that has been written."""

    digest: bytes
    sums: NDArray[np.int64]
    black_rim: int


def decode_into(file: Path, form: Form, items: Sequence[tuple[int, Picture]]) -> list[Row | str]:
    """Write the pixels of each picture to its row of `file`; why not, where a picture is broken.

    Raises `OSError` as the disk does.
    """
    channels = len(form.mode)
    size = channels * form.side**2
    found: list[Row | str] = []
    handle = os.open(file, os.O_WRONLY)
    try:
        for row, picture in items:
            pixels = _attempt(picture, partial(decode, form=form))
            if isinstance(pixels, str):
                found.append(pixels)
                continue
            pixels = np.ascontiguousarray(pixels)
            _write(handle, pixels.tobytes(), row * size)
            one = Measured.empty(1, channels)
            one.put(0, pixels)
            found.append(Row(one.digests[0].tobytes(), one.sums[0], int(one.black_rim[0])))
    finally:
        os.close(handle)
    return found


def _write(handle: int, content: bytes, offset: int) -> None:
    view = memoryview(content)
    while view:
        written = os.pwrite(handle, view, offset)
        view, offset = view[written:], offset + written


def _attempt(picture: Picture, read: Callable[[BinaryIO], Found]) -> Found | str:
    """What `read` makes of it; why not, where it is broken."""
    try:
        with picture.opened() as file:
            return read(file)
    except BrokenPictureError as error:
        return str(error)
    except OSError as error:
        if is_passing(error):
            raise
        return error.strerror or str(error)


def _end_with(parent: int) -> None:
    """Ignore Ctrl-C, which the parent handles, and exit when the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
