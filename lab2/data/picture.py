"""One picture of a data set, before anybody has looked at it: where its bytes lie, and what is known of it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import Literal

from lab2.data.annotation import Annotation
from lab2.regular_file import LISTS, regular_file

Where = Literal["train", "validation", "test", "undecided"]


@dataclass(frozen=True, slots=True)
class Picture:
    """A file, or a cell of a Parquet file."""

    path: Path
    key: str  # its name within the data set, wherever that lies
    label: int
    part: Where
    group: str = ""  # pictures of one writer, patient or scene have the same; "": a group of its own
    row: int | None = None  # of the Parquet file at `path` that holds it; None: `path` is the picture
    column: str = ""
    annotation: Annotation | None = field(default=None, compare=False)  # its boxes, where the data set has boxes

    @property
    def name(self) -> str:
        """For messages."""
        return str(self.path) if self.row is None else f"{self.path} row {self.row}"

    @property
    def shown(self) -> tuple[int, ...]:
        """The labels of all that it shows: of its boxes, or its own."""
        return (self.label,) if self.annotation is None else tuple(self.annotation.labels.tolist())

    @contextmanager
    def opened(self) -> Iterator[BufferedReader | io.BytesIO]:
        """Its bytes; raises `OSError` for what is no regular file, and whatever the disk does."""
        if self.row is None:
            with regular_file(self.path, LISTS) as file:
                yield file
        else:
            from lab2.data.parquet_cells import read_cell  # loads Arrow, which other pictures do not need

            yield io.BytesIO(read_cell(self.path, self.column, self.row))
