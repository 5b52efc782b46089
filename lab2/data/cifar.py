"""CIFAR-10 in its binary version: a label byte and 3 x 32 x 32 pixels, 10,000 times a file.

Source: https://www.cs.toronto.edu/~kriz/cifar.html ("Binary version"). torchvision's copy of the Python
version is a pickle; it is read here by an unpickler that builds numpy arrays and nothing else.
"""

from __future__ import annotations

import hashlib
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab2.data.source import Facts, Images, Part
from lab2.errors import DataError

_RECORD = 1 + 3 * 32 * 32  # bytes
_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_FILES: dict[Part, tuple[str, ...]] = {
    "train": tuple(f"data_batch_{n}" for n in range(1, 6)),
    "test": ("test_batch",),
}


@dataclass(frozen=True, slots=True)
class CifarSource:
    """`cifar-10-batches-bin` or `cifar-10-batches-py`, as the archives unpack."""

    folder: Path
    classes: tuple[str, ...] = _CLASSES

    @property
    def facts(self) -> Facts:
        return Facts()

    def read(self, part: Part) -> Images:
        """Raises `DataError` for a file that is missing or not whole."""
        records = np.concatenate([self._records(name) for name in _FILES[part]])
        labels = records[:, 0].astype(np.int64)
        if labels.max() >= len(_CLASSES):
            raise DataError(f"{self.folder}: a label {labels.max()}, wanted 0 to 9")
        return Images(np.ascontiguousarray(records[:, 1:].reshape(-1, 3, 32, 32)), labels)

    def sha256(self) -> str:
        digest = hashlib.sha256()
        for name in (*_FILES["train"], *_FILES["test"]):
            digest.update(self._records(name).tobytes())
        return digest.hexdigest()

    def _records(self, name: str) -> NDArray[np.uint8]:
        binary, pickled = self.folder / f"{name}.bin", self.folder / name
        try:
            if binary.is_file():
                content = np.frombuffer(binary.read_bytes(), np.uint8)
                if not len(content) or len(content) % _RECORD:
                    raise DataError(f"{binary}: {len(content)} bytes, wanted a multiple of {_RECORD}; copy it again")
                return content.reshape(-1, _RECORD)
            if pickled.is_file():
                with pickled.open("rb") as file:
                    batch = ArraysOnly(file, encoding="bytes").load()
                return np.column_stack([np.asarray(batch[b"labels"], np.uint8), batch[b"data"]])
        except (OSError, EOFError, pickle.UnpicklingError, KeyError, TypeError, ValueError) as error:
            raise DataError(f"{self.folder / name}: not whole: {error}; copy it again") from error
        raise DataError(f"{self.folder}: holds neither {name}.bin nor {name}")


class ArraysOnly(pickle.Unpickler):
    """Builds numpy arrays and what Python itself is made of; raises `UnpicklingError` for anything else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module.replace("numpy._core", "numpy.core"), name) in {
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
        }:
            return super().find_class(module.replace("numpy.core", "numpy._core"), name)
        if (module, name) == ("_codecs", "encode"):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"it wants {module}.{name}, which no batch of CIFAR does")
