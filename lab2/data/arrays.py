"""Data sets that are arrays of pixels in a few files: CIFAR-100, SVHN and STL-10."""

from __future__ import annotations

import hashlib
import pickle
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab2.data.cifar import ArraysOnly
from lab2.data.source import Facts, Images, Part
from lab2.errors import DataError
from lab2.regular_file import LARGE, read_regular, regular_file

Arrays = tuple[NDArray[np.uint8], NDArray[np.int64]]  # (N, C, S, S) pixels and (N,) labels


@dataclass(frozen=True, slots=True)
class ArraySource:
    """Arrays that `load` makes of the files in `folder`."""

    folder: Path
    classes: tuple[str, ...]
    load: Callable[[Path, Part], Arrays]

    @property
    def facts(self) -> Facts:
        return Facts()

    def read(self, part: Part) -> Images:
        """Raises `DataError` for a file that is missing or not whole."""
        try:
            pixels, labels = self.load(self.folder, part)
        except OSError as error:
            raise DataError(f"{error.filename or self.folder}: {error.strerror or error}; copy it again") from error
        except (ValueError, TypeError, LookupError, AttributeError, EOFError, pickle.UnpicklingError) as error:
            raise DataError(f"{self.folder}: its {part} part is not whole: {error}; copy it again") from error
        if len(pixels) != len(labels) or not len(labels):
            raise DataError(f"{self.folder}: {len(pixels)} {part} images but {len(labels)} labels; copy it again")
        if not 0 <= labels.min() <= labels.max() < len(self.classes):
            raise DataError(f"{self.folder}: {part} labels beyond 0 to {len(self.classes) - 1}; copy it again")
        return Images(np.ascontiguousarray(pixels), labels)

    def sha256(self) -> str:
        digest = hashlib.sha256()
        for images in (self.read("train"), self.read("test")):
            digest.update(np.asarray(images.pixels).data)
            digest.update(images.labels.data)
        return digest.hexdigest()


def cifar100(folder: Path) -> ArraySource:
    """`cifar-100-python`: two pickles, read by an unpickler that builds arrays only. Raises `DataError`."""
    try:
        names = tuple(name.decode() for name in _unpickled(folder / "meta")[b"fine_label_names"])
    except (OSError, EOFError, pickle.UnpicklingError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{folder / 'meta'}: not whole: {error}; copy it again") from error
    return ArraySource(folder, names, _cifar100)


def _cifar100(folder: Path, part: Part) -> Arrays:
    batch = _unpickled(folder / part)
    return batch[b"data"].reshape(-1, 3, 32, 32), np.asarray(batch[b"fine_labels"], np.int64)


def _unpickled(path: Path) -> Any:
    with regular_file(path, LARGE) as file:
        return ArraysOnly(file, encoding="bytes").load()


def read_mat(path: Path) -> dict[str, Any]:
    """The arrays of a MATLAB file by name. Raises `OSError` as the disk does, `ValueError` and others for content."""
    from scipy.io import loadmat  # here, because this module is loaded for every data set, and SciPy takes 0.1 s
    from scipy.io.matlab import MatReadError

    try:
        with regular_file(path, LARGE) as file:
            found: dict[str, Any] = loadmat(file)  # type: ignore[arg-type]  # its stubs lack open files, its manual has them
    except (MatReadError, zlib.error, NotImplementedError) as error:
        raise ValueError(f"{path}: {error}") from error
    return found


def svhn(folder: Path) -> ArraySource:
    """Cropped digits: `train_32x32.mat` and `test_32x32.mat`, where 10 is the digit 0."""
    return ArraySource(folder, tuple("0123456789"), _svhn)


def _svhn(folder: Path, part: Part) -> Arrays:
    found = read_mat(folder / f"{part}_32x32.mat")
    pixels = found["X"].transpose(3, 2, 0, 1)  # (N, C, S, S)
    if pixels.dtype != np.uint8 or pixels.shape[1:] != (3, 32, 32):
        raise ValueError(f"{pixels.dtype} pixels of {pixels.shape}")
    return pixels, found["y"].ravel().astype(np.int64) % 10


def stl10(folder: Path) -> ArraySource:
    """`stl10_binary`: pixels column by column, labels from 1. Its pictures without labels are not read."""
    try:
        names = tuple(read_regular(folder / "class_names.txt", LARGE).decode().split())
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{folder / 'class_names.txt'}: {error}; copy it again") from error
    return ArraySource(folder, names, _stl10)


def _stl10(folder: Path, part: Part) -> Arrays:
    pixels = np.frombuffer(read_regular(folder / f"{part}_X.bin", LARGE), np.uint8).reshape(-1, 3, 96, 96)
    labels = np.frombuffer(read_regular(folder / f"{part}_y.bin", LARGE), np.uint8)
    return pixels.transpose(0, 1, 3, 2), labels.astype(np.int64) - 1
