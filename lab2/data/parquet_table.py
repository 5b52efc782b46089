"""One Parquet file of pictures: its columns, its parts and its rows, without the pictures' bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lab2.data.listing import PARTS
from lab2.data.picture import Picture, Where
from lab2.errors import DataError
from lab2.regular_file import LARGE, check_regular

_IMAGES = ("image", "img", "picture", "jpg", "png", "bytes")
_LABELS = ("label", "labels", "fine_label", "class", "category", "target")
_PART = re.compile(rf"({'|'.join(PARTS)})(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Row:
    """A row with a picture, or with the path of one."""

    file: Path
    key: str
    row: int
    column: str
    label: int | str | None
    part: Where
    group: str
    path: str | None  # of a file beside the table, where the table itself holds no bytes

    def picture(self, label: int) -> Picture:
        """Its picture, of the class `label`."""
        if self.path is not None:
            return Picture(self.file.parent / self.path, f"{self.key}:{self.path}", label, self.part, self.group)
        return Picture(self.file, self.key, label, self.part, self.group, self.row, self.column)


@dataclass(frozen=True, slots=True)
class Table:
    """One file: everything but the bytes of its pictures."""

    file: Path
    key: str
    part: Where | None
    image: str
    label: str
    names: tuple[str, ...]
    columns: Any = field(repr=False)  # pyarrow table of what is read at once
    inside: bool = True  # it holds the pictures' bytes

    @classmethod
    def read(cls, file: Path, relative: Path) -> Table:
        """The file, whose path within the data set is `relative`. Raises `DataError` for one that is not whole."""
        try:
            check_regular(file, LARGE)
            opened = pq.ParquetFile(file)
            schema = opened.schema_arrow
            features = _features(schema)
            image = _column(file, schema, features, "Image", _IMAGES)
            label = _column(file, schema, features, "ClassLabel", _LABELS)
            wanted = [label, *(name for name in ("split", "group") if name in schema.names)]
            kind = schema.field(image).type
            paths = pa.types.is_string(kind) or pa.types.is_large_string(kind)
            inside = _has_bytes(opened, image) if pa.types.is_struct(kind) else not paths
            if not inside:
                wanted.append(image if paths else f"{image}.path")
            columns = opened.read(columns=wanted)
        except OSError as error:
            raise DataError(f"{file}: {error.strerror or error}") from error
        except (pa.ArrowException, KeyError) as error:
            raise DataError(f"{file}: not Parquet that can be read: {error}") from error
        names = tuple(str(name) for name in features.get(label, {}).get("names") or ())
        return cls(file, relative.as_posix(), _part_of(relative), image, label, names, columns, inside)

    def rows(self) -> Iterator[Row]:
        """Raises `DataError` for a part that is unknown."""
        table = {name: self.columns[name].to_pylist() for name in self.columns.column_names}
        splits, groups, paths = (table.get(name) for name in ("split", "group", self.image))
        for row, label in enumerate(table[self.label]):
            part = _named_part(self.file, row, splits[row]) if splits else self.part or "undecided"
            group = "" if groups is None or groups[row] is None else str(groups[row])
            path = None if self.inside or not paths else _path_in(paths[row])
            yield Row(self.file, f"{self.key}#{row}", row, self.image, label, part, group, path)


def _path_in(cell: Any) -> str:
    """The path that a cell states, itself or in a struct; empty where it states none."""
    path = cell.get("path") if isinstance(cell, dict) else cell
    return path if isinstance(path, str) else ""


def _features(schema: Any) -> dict[str, Any]:
    """The features of the `huggingface` metadata by column; empty where there are none."""
    try:
        return dict(json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"])
    except (KeyError, TypeError, ValueError):
        return {}


def _column(file: Path, schema: Any, features: dict[str, Any], kind: str, known: tuple[str, ...]) -> str:
    kinds = {name: one.get("_type") for name, one in features.items() if isinstance(one, dict)}
    typed: list[str] = [name for name in schema.names if kinds.get(name) == kind]
    named: list[str] = [name for name in known if name in schema.names]
    if found := [*(n for n in typed if n in named), *typed, *named]:
        return found[0]
    what = "pictures" if kind == "Image" else "labels"
    raise DataError(f"{file}: no column of {what} (found: {', '.join(schema.names)}); wanted {known[0]}")


def _has_bytes(file: Any, image: str) -> bool:
    """Whether the column of structs holds its pictures' bytes, and not only their paths."""
    for group in range(file.metadata.num_row_groups):
        column = file.read_row_group(group, columns=[f"{image}.bytes"])[image]
        if pc.struct_field(column, "bytes").null_count < len(column):
            return True
    return False


def _part_of(relative: Path) -> Where | None:
    """The part that a file's name, or a folder's that it lies in, begins with."""
    for name in reversed(relative.parts):
        if found := _PART.match(name):
            return PARTS[found[1].lower()]
    return None


def _named_part(file: Path, row: int, text: object) -> Where:
    if str(text).lower() not in PARTS:
        raise DataError(f"{file}: row {row}: split {text!r}, wanted train, validation or test")
    return PARTS[str(text).lower()]
