"""What every kind of data set offers: two parts, read one at a time, each whole or an error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Part = Literal["train", "test"]


@dataclass(frozen=True, slots=True)
class Images:
    """N labelled images in memory."""

    pixels: NDArray[np.uint8]  # (N, C, S, S)
    labels: NDArray[np.int64]  # (N,), 0 .. classes - 1

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: NDArray[np.int64]) -> Images:
        """The images at `index`, in that order."""
        return Images(self.pixels[index], self.labels[index])


class Source(Protocol):
    """A data set on disk. Reading raises `DataError` that names the file."""

    @property
    def classes(self) -> tuple[str, ...]: ...

    def read(self, part: Part) -> Images: ...

    def sha256(self) -> str:
        """SHA-256 over both parts, the same wherever the data set lies."""
        ...
