"""The idx format of MNIST and of data sets derived from it.

Source: http://yann.lecun.com/exdb/mnist/ ("FILE FORMATS FOR THE MNIST DATABASE"): two zero bytes, a type
(0x08: unsigned byte), the number of dimensions, each dimension as a big-endian 32-bit integer, the data.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lab2.data.source import Facts, Images, Part
from lab2.errors import DataError

_UNSIGNED_BYTE = 0x08


@dataclass(frozen=True, slots=True)
class IdxSource:
    """Four idx files in one folder, gzipped or not."""

    folder: Path
    classes: tuple[str, ...]
    train: str = "train"  # what the files' names begin with: train-images-idx3-ubyte
    test: str = "t10k"
    first_label: int = 0  # EMNIST letters count from 1
    transposed: bool = False  # EMNIST stores its images column by column
    digests: dict[str, str] | None = None  # SHA-256 of the unpacked files, by the name up to "-idx"

    @property
    def facts(self) -> Facts:
        return Facts()

    def read(self, part: Part) -> Images:
        """Raises `DataError` for files that are missing, truncated, altered, or do not fit each other."""
        prefix = self.train if part == "train" else self.test
        pixels = self._array(f"{prefix}-images", ndim=3)
        labels = self._array(f"{prefix}-labels", ndim=1).astype(np.int64) - self.first_label
        if len(pixels) != len(labels):
            raise DataError(f"{self.folder}: {len(pixels)} {prefix} images but {len(labels)} labels")
        if pixels.shape[1] != pixels.shape[2]:
            raise DataError(f"{self.folder}: {prefix} images of {pixels.shape[1:]} pixels, wanted squares")
        if len(labels) and not 0 <= labels.min() <= labels.max() < len(self.classes):
            raise DataError(
                f"{self.folder}: {prefix} labels from {labels.min()} to {labels.max()}, "
                f"wanted 0 to {len(self.classes) - 1}"
            )
        if self.transposed:
            pixels = pixels.transpose(0, 2, 1)
        return Images(np.array(pixels[:, None]), labels)  # a copy: what lies in the file cannot be written to

    def sha256(self) -> str:
        names = [f"{prefix}-{kind}" for prefix in (self.train, self.test) for kind in ("images", "labels")]
        known = self.digests or {n: hashlib.sha256(_unpack(self._path(n))).hexdigest() for n in names}
        return hashlib.sha256("".join(known[name] for name in names).encode()).hexdigest()

    def _path(self, name: str) -> Path:
        stem = f"{name}-idx{3 if name.endswith('images') else 1}-ubyte"
        for path in (self.folder / stem, self.folder / f"{stem}.gz"):
            if path.is_file():
                return path
        raise DataError(f"{self.folder}: holds neither {stem} nor {stem}.gz")

    def _array(self, name: str, ndim: int) -> NDArray[np.uint8]:
        path = self._path(name)
        content = _unpack(path)
        if self.digests and hashlib.sha256(content).hexdigest() != self.digests[name]:
            raise DataError(f"{path}: its SHA-256 is not {self.digests[name]}: altered; copy the file again")
        return parse_idx(content, ndim, path)


def parse_idx(content: bytes, ndim: int, path: Path) -> NDArray[np.uint8]:
    """The array in `content`; raises `DataError` naming `path` unless it is whole and of `ndim` dimensions."""
    magic = struct.pack(">HBB", 0, _UNSIGNED_BYTE, ndim)
    header = 4 + 4 * ndim
    if content[:4] != magic or len(content) < header:
        raise DataError(f"{path}: begins with {content[:4].hex()}, wanted {magic.hex()} (idx, {ndim} dimensions)")
    shape = struct.unpack(f">{ndim}I", content[4:header])
    wanted = header + math.prod(shape)
    if len(content) != wanted:
        raise DataError(f"{path}: {len(content)} bytes, but its header {shape} wants {wanted}; copy it again")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _unpack(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix == ".gz" else content
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: not whole: {error}; copy the file again") from error
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
