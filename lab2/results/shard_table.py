"""Rows as columns: the shards of a run in one Arrow table, and the file that keeps what has been read.

Shards are small files, and a run may have 100,000. Those that have been read, and have not changed since, are
taken from a cache, `collected.parquet`, but for the few that came after it was written; it may be deleted at any time.
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
_STAMPS = {"file_number": pa.uint64(), "file_bytes": pa.int64(), "file_nanoseconds": pa.int64()}
_NAMES = tuple(field.name for field in fields(Shard))

FileStamp = tuple[int, int, int]


def _type(hint: Any) -> pa.DataType:
    kinds = [kind for kind in get_args(hint) or (hint,) if kind is not type(None)]
    first = kinds[0]
    return _TYPES[str if isinstance(first, str) or get_origin(first) is Literal else first]


_HINTS = get_type_hints(Shard)
SCHEMA = pa.schema([(name, _type(_HINTS[name])) for name in _NAMES])
_CACHED = pa.schema([*SCHEMA, *_STAMPS.items()], {"schema": str(shard.SCHEMA)})


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
class ShardCache:
    """Shards that have been read before, and how their files looked then."""

    table: pa.Table
    digests: list[str]
    rows: dict[Any, int]  # by trial and its file's stamp

    def __len__(self) -> int:
        return len(self.digests)

    def number(self, trial: str, stamp: FileStamp | None) -> int | None:
        """The row of that trial, if its file still looks as it did."""
        return self.rows.get((trial, stamp))


def scan(folder: Path) -> dict[str, FileStamp]:
    """How each shard's file looks now, by its name; those that are being written are not there yet."""
    stamps = {}
    with suppress(FileNotFoundError), os.scandir(folder) as entries:  # a copy of a run may lack an empty folder
        for entry in entries:
            if entry.name.endswith(".json") and not entry.name.startswith("."):
                with suppress(FileNotFoundError):  # its trial begins anew
                    now = _stat(entry)
                    stamps[entry.name] = now.st_ino, now.st_size, now.st_mtime_ns
    return stamps


def _stat(entry: os.DirEntry[str]) -> os.stat_result:
    """Of what a link leads to; of the link itself, which is no shard, where that is nothing."""
    try:
        return entry.stat()
    except OSError:
        return entry.stat(follow_symlinks=False)


def read_cache(path: Path, trials: int) -> ShardCache:
    """What `write_cache` wrote of a run of so many `trials`; empty, where there is no such file or none to be used."""
    try:
        table = _read_parquet(path, trials)
    except (OSError, pa.ArrowException):  # the shards say the same, only more slowly
        table = None
    if table is None or not table.schema.equals(_CACHED, check_metadata=True):
        table = _CACHED.empty_table()
    stamps = zip(*(table[name].to_pylist() for name in _STAMPS), strict=True)
    keys = zip(table["trial"].to_pylist(), stamps, strict=True)
    rows = {key: number for number, key in enumerate(keys)}
    return ShardCache(table.select(_NAMES), table["digest"].to_pylist(), rows)


def _read_parquet(path: Path, trials: int) -> pa.Table | None:
    """None for what `write_cache` does not write: more rows than `trials`, or text that no `Shard` has.

    Too many rows are not even unpacked: a small file can hold them.
    """
    file = pq.ParquetFile(pa.BufferReader(read_regular(path, LISTS)), page_checksum_verification=True)
    unpacked = sum(file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups))
    if file.metadata.num_rows > trials or unpacked > trials * SMALL:
        return None
    table = file.read()
    return table if all(_is_visible(chunk) for column in table.columns for chunk in column.chunks) else None


def _is_visible(chunk: pa.Array) -> bool:
    """Whether all text of a column is what `Shard` lets through: it is looked at as it lies in memory, at once."""
    text = chunk.buffers()[2] if pa.types.is_string(chunk.type) else None
    try:
        return text is None or is_visible(text.to_pybytes().decode())
    except UnicodeDecodeError:
        return False


def write_cache(path: Path, table: pa.Table, stamps: Sequence[FileStamp | None]) -> None:
    """Write the rows of `table` that have a stamp, of their shard's file, for the next reader."""
    table = table.filter(pa.array([stamp is not None for stamp in stamps]))
    there = [stamp for stamp in stamps if stamp]
    for place, (name, kind) in enumerate(_STAMPS.items()):
        table = table.append_column(name, pa.array([stamp[place] for stamp in there], kind))
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata(_CACHED.metadata), sink, write_page_checksum=True)
    try:
        write_whole(path, sink.getvalue().to_pybytes())
    except OSError:  # a folder of somebody else: the next reader is no faster, that is all
        return
