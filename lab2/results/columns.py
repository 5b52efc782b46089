"""Rows as columns: the shards of a run in one Arrow table, and the file that keeps what has been read.

Shards are small files, and a run may have 100,000. Those that have been read, and have not changed since, are
taken from `collected.parquet`, but for the few that came after it was written; it may be deleted at any time.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from lab2.foreign_text import FORMULA, is_visible
from lab2.regular_file import LISTS, SMALL, read_regular
from lab2.results import shard
from lab2.results.shard import Shard
from lab2.whole_file import write_whole

_TYPES = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
# How the file looked when it was read: inode, size, time of change.
_MARKS = {"file_number": pa.uint64(), "file_bytes": pa.int64(), "file_nanoseconds": pa.int64()}
_NAMES = tuple(field.name for field in fields(Shard))

Mark = tuple[int, int, int]


def _type(hint: Any) -> pa.DataType:
    kinds = [kind for kind in get_args(hint) or (hint,) if kind is not type(None)]
    first = kinds[0]
    return _TYPES[str if isinstance(first, str) or get_origin(first) is Literal else first]


_HINTS = get_type_hints(Shard)
SCHEMA = pa.schema([(name, _type(_HINTS[name])) for name in _NAMES])
_KEPT = pa.schema([*SCHEMA, *_MARKS.items()], {"schema": str(shard.SCHEMA)})


def as_table(rows: Iterable[Shard]) -> pa.Table:
    """A column for each field of `Shard`, a row for each of `rows`."""
    values = list(map(attrgetter(*_NAMES), rows))
    columns = zip(*values, strict=True) if values else ([] for _ in _NAMES)
    return pa.table([pa.array(column, kind) for column, kind in zip(columns, SCHEMA.types, strict=True)], SCHEMA)


def as_rows(table: pa.Table) -> tuple[Shard, ...]:
    """The rows of `as_table`."""
    return tuple(Shard(**row) for row in table.to_pylist())


def as_csv(table: pa.Table) -> bytes:
    """The columns for programs, with a line of their names; text that a spreadsheet would compute is marked as text."""
    for place, (name, kind) in enumerate(zip(table.column_names, table.schema.types, strict=True)):
        if pa.types.is_string(kind):  # by the rule of `for_csv`, for all rows at once
            plain = table[name]
            marked = pc.binary_join_element_wise("'", plain, "")
            column = pc.if_else(pc.match_substring_regex(plain, FORMULA), marked, plain)
            table = table.set_column(place, name, column)
    sink = pa.BufferOutputStream()
    pa.csv.write_csv(table, sink)
    text: bytes = sink.getvalue().to_pybytes()
    return text


@dataclass(frozen=True, slots=True)
class Known:
    """Shards that have been read before, and how their files looked then."""

    table: pa.Table
    digests: list[str]
    rows: dict[Any, int]  # by trial and its file's mark

    def __len__(self) -> int:
        return len(self.digests)

    def number(self, trial: str, mark: Mark | None) -> int | None:
        """The row of that trial, if its file still looks as it did."""
        return self.rows.get((trial, mark))


def look(folder: Path) -> dict[str, Mark]:
    """How each shard's file looks now, by its name; those that are being written are not there yet."""
    marks = {}
    with suppress(FileNotFoundError), os.scandir(folder) as entries:  # a copy of a run may lack an empty folder
        for entry in entries:
            if entry.name.endswith(".json") and not entry.name.startswith("."):
                with suppress(FileNotFoundError):  # its trial begins anew
                    now = _stat(entry)
                    marks[entry.name] = now.st_ino, now.st_size, now.st_mtime_ns
    return marks


def _stat(entry: os.DirEntry[str]) -> os.stat_result:
    """Of what a link leads to; of the link itself, which is no shard, where that is nothing."""
    try:
        return entry.stat()
    except OSError:
        return entry.stat(follow_symlinks=False)


def read_known(path: Path, trials: int) -> Known:
    """What `keep` wrote of a run of so many `trials`; nothing, where there is no such file or it cannot be used."""
    try:
        kept = _read_kept(path, trials)
    except (OSError, pa.ArrowException):  # the shards say the same, only more slowly
        kept = None
    if kept is None or not kept.schema.equals(_KEPT, check_metadata=True):
        kept = _KEPT.empty_table()
    marks = zip(*(kept[name].to_pylist() for name in _MARKS), strict=True)
    keys = zip(kept["trial"].to_pylist(), marks, strict=True)
    return Known(kept.select(_NAMES), kept["digest"].to_pylist(), {key: number for number, key in enumerate(keys)})


def _read_kept(path: Path, trials: int) -> pa.Table | None:
    """None for what `keep` does not write: more than a run of so many `trials` can have, which is not unpacked, or
    text that no `Shard` has."""
    file = pq.ParquetFile(pa.BufferReader(read_regular(path, LISTS)), page_checksum_verification=True)
    unpacked = sum(file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups))
    if file.metadata.num_rows > trials or unpacked > trials * SMALL:
        return None
    kept = file.read()
    return kept if all(_is_visible(chunk) for column in kept.columns for chunk in column.chunks) else None


def _is_visible(chunk: pa.Array) -> bool:
    """Whether all text of a column is what `Shard` lets through: it is looked at as it lies in memory, at once."""
    text = chunk.buffers()[2] if pa.types.is_string(chunk.type) else None
    try:
        return text is None or is_visible(text.to_pybytes().decode())
    except UnicodeDecodeError:
        return False


def keep(path: Path, table: pa.Table, marks: Sequence[Mark | None]) -> None:
    """Write the rows of `table` that have a mark, of their shard's file, for the next reader."""
    table = table.filter(pa.array([mark is not None for mark in marks]))
    there = [mark for mark in marks if mark]
    for place, (name, kind) in enumerate(_MARKS.items()):
        table = table.append_column(name, pa.array([mark[place] for mark in there], kind))
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata(_KEPT.metadata), sink, write_page_checksum=True)
    try:
        write_whole(path, sink.getvalue().to_pybytes())
    except OSError:  # a folder of somebody else: the next reader is no faster, that is all
        return
