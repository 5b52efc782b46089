"""What every kind of data set offers: its parts, read one at a time, each whole or an error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from lab2.data.annotation import Objects
from lab2.data.stored import StoredPixels

Part = Literal["train", "validation", "test"]
Progress = Callable[[str, int, int], None]  # what is being done, how much of it is done, of how much


def nothing(_what: str, _done: int, _total: int) -> None:
    """Nobody is shown the progress."""


@dataclass(frozen=True, slots=True)
class Images:
    """N labelled images, in memory or, where they are many, in a file: both give parts of them as arrays."""

    pixels: NDArray[np.uint8] | StoredPixels  # (N, C, S, S)
    labels: NDArray[np.int64]  # (N,), 0 .. classes - 1
    groups: NDArray[np.int64] | None = None  # (N,): images of one writer, patient or scene have one number

    objects: tuple[Objects, ...] | None = None  # N, the boxes in each; None: the data set has no boxes

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: NDArray[np.int64]) -> Images:
        """The images at `index`, in that order."""
        groups = None if self.groups is None else self.groups[index]
        pixels = self.pixels.take(index) if isinstance(self.pixels, StoredPixels) else self.pixels[index]
        objects = None if self.objects is None else tuple(self.objects[number] for number in index.tolist())
        return Images(pixels, self.labels[index], groups, objects)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a table must say of a data set."""

    split: str = "train and test as given"  # how its parts came about
    validation: bool = False  # it has a validation part of its own
    left_out: Mapping[str, int] = field(default_factory=dict)  # what no image was made of: how many, by reason
    remarks: tuple[str, ...] = ()  # sentences for whoever starts a run
    boxes: bool = False  # its images have boxes

    @property
    def left_out_text(self) -> str:
        """The counts as a text; empty where nothing was left out."""
        return ", ".join(f"{reason}: {count}" for reason, count in sorted(self.left_out.items()))


class Source(Protocol):
    """A data set on disk. Reading raises `DataError` that names the file."""

    @property
    def classes(self) -> tuple[str, ...]: ...

    @property
    def facts(self) -> Facts: ...

    def read(self, part: Part) -> Images: ...

    def sha256(self) -> str:
        """SHA-256 over all parts, the same wherever the data set lies."""
        ...
