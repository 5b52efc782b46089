"""Pixels that lie in a file and are read when they are asked for: a data set may be larger than the memory."""

from __future__ import annotations

import hashlib
import math
import mmap
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab2.errors import DataError

DIGEST_BYTES = 16  # of BLAKE2b, of one picture's pixels
_MAPPED = 2**27  # bytes read before the pages are given back: they count as this process's memory


class StoredPixels:
    """(N, C, S, S) uint8 pixels: rows of a memory-mapped file. Each is checked when this process first reads it."""

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, file: Path, shape: tuple[int, int, int, int], measured: Measured) -> None:
        self._file = file
        self._rows = np.memmap(file, np.uint8, "r", shape=shape)
        self._measured = measured
        self._checked = np.zeros(shape[0], bool)
        self._index = np.arange(shape[0])
        self._read = 0

    def take(self, index: NDArray[Any]) -> StoredPixels:
        """The rows at `index`, in that order; nothing is read."""
        other = object.__new__(StoredPixels)
        other.__dict__.update(self.__dict__)
        other._index = self._index[index]
        return other

    def __len__(self) -> int:
        return len(self._index)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return len(self), *self._rows.shape[1:]

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape)

    def __getitem__(self, key: Any) -> NDArray[np.uint8]:
        """A copy in memory. Raises `DataError` where the file is not what was written."""
        first, more = (key[0], key[1:]) if isinstance(key, tuple) else (key, ())
        if isinstance(first, int | np.integer):
            one: NDArray[np.uint8] = self._fetch(self._index[np.array([first])])[0][more]
            return one
        found = self._fetch(self._index[first])
        return found[(slice(None), *more)] if more else found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:], dtype)

    def digests(self) -> list[bytes]:
        """BLAKE2b of each row's pixels, as they were when they were decoded."""
        return [row.tobytes() for row in self._measured.digests[self._index]]

    def mean_and_deviation(self, channel: int) -> tuple[float, float]:
        """Of all pixels of a channel, exactly: from the sums of each row that were taken when it was decoded."""
        total, squares = (int(n) for n in self._measured.sums[self._index, channel].sum(0))
        number = len(self) * self._rows.shape[2] * self._rows.shape[3]
        return total / number, math.sqrt(number * squares - total * total) / number

    def black_rim_share(self) -> float:
        """Of the pixels on the rims, the share of those that are 0; a corner counts twice."""
        channels, side = self._rows.shape[1:3]
        return float(self._measured.black_rim[self._index].sum() / (len(self) * channels * 4 * side))

    def _fetch(self, numbers: NDArray[np.int64]) -> NDArray[np.uint8]:
        found = np.asarray(self._rows[numbers])  # a copy, as always where rows are chosen by number
        for place in np.flatnonzero(~self._checked[numbers]):
            if digest_of(found[place]) != self._measured.digests[numbers[place]].tobytes():
                raise DataError(
                    f"{self._file}: picture {numbers[place]} is not as it was written: the file was changed; "
                    "lab2 prepare --clean, then start again"
                )
        self._checked[numbers] = True
        self._read += found.nbytes
        if self._read > _MAPPED and hasattr(mmap, "MADV_DONTNEED"):
            self._rows._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]  # numpy shows no other way
            self._read = 0
        return found


class Measured:
    """What is known of each of N rows since they were decoded."""

    def __init__(self, digests: NDArray[np.uint8], sums: NDArray[np.int64], black_rim: NDArray[np.int64]) -> None:
        self.digests = digests  # (N, 16)
        self.sums = sums  # (N, C, 2): of the pixels, and of their squares
        self.black_rim = black_rim  # (N,): pixels of the rim that are 0

    @classmethod
    def empty(cls, count: int, channels: int) -> Measured:
        return cls(
            np.zeros((count, DIGEST_BYTES), np.uint8),
            np.zeros((count, channels, 2), np.int64),
            np.zeros(count, np.int64),
        )

    def put(self, row: int, pixels: NDArray[np.uint8]) -> None:
        """Note the (C, S, S) pixels of a row."""
        self.digests[row] = np.frombuffer(digest_of(pixels), np.uint8)
        values = pixels.reshape(len(pixels), -1).astype(np.int64)
        self.sums[row, :, 0], self.sums[row, :, 1] = values.sum(1), (values**2).sum(1)
        rim = pixels[:, [0, -1], :], pixels[:, :, [0, -1]]
        self.black_rim[row] = sum(np.count_nonzero(part == 0) for part in rim)


def digest_of(pixels: NDArray[np.uint8]) -> bytes:
    """BLAKE2b of one picture's pixels."""
    return hashlib.blake2b(pixels.tobytes(), digest_size=DIGEST_BYTES).digest()
