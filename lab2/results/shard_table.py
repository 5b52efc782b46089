"""The shards of a run as one Arrow table, and a cache of shards that were read before.

Shards are small files, and a run may have 100,000 of them. A shard that was read before, and whose file has not changed
since, comes from the cache, `collected.parquet`. The cache may be deleted at any time.
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
# A file stamp: inode, size and time of the last change when the file was read.
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
    """A table with a column for each field of `Shard` and a row for each of `rows`."""
    values = list(map(attrgetter(*_NAMES), rows))
    columns = zip(*values, strict=True) if values else ([] for _ in _NAMES)
    return pa.table([pa.array(column, kind) for column, kind in zip(columns, SCHEMA.types, strict=True)], SCHEMA)


def as_rows(table: pa.Table) -> tuple[Shard, ...]:
    """The shards in a table: the inverse of `as_table`."""
    return tuple(Shard(**row) for row in table.to_pylist())


def as_csv(table: pa.Table) -> bytes:
    """The table as CSV with a header. Text that a spreadsheet would take for a formula gets a leading apostrophe."""
    for place, (name, kind) in enumerate(zip(table.column_names, table.schema.types, strict=True)):
        if pa.types.is_string(kind):  # the rule of `for_csv`, applied to a whole column
            plain = table[name]
            marked = pc.binary_join_element_wise("'", plain, "")
            column = pc.if_else(pc.match_substring_regex(plain, FORMULA), marked, plain)
            table = table.set_column(place, name, column)
    sink = pa.BufferOutputStream()
    pa.csv.write_csv(table, sink)
    text: bytes = sink.getvalue().to_pybytes()
    return text


def as_parquet(table: pa.Table) -> bytes:
    """The table as Parquet, each column of its own type; the same table gives the same bytes.

    Text is as the shard has it: Parquet is read by programs, which take nothing in it for a formula.
    """
    sink = pa.BufferOutputStream()
    pq.write_table(table.combine_chunks().replace_schema_metadata(None), sink, write_page_checksum=True)
    content: bytes = sink.getvalue().to_pybytes()
    return content


@dataclass(frozen=True, slots=True)
class ShardCache:
    """Shards that were read before, with the stamps of their files."""

    table: pa.Table
    digests: list[str]
    rows: dict[Any, int]  # index of the row, by trial and file stamp

    def __len__(self) -> int:
        return len(self.digests)

    def number(self, trial: str, stamp: FileStamp | None) -> int | None:
        """The index of that trial's row; None if it is not cached or its file has another stamp."""
        return self.rows.get((trial, stamp))


def scan(folder: Path) -> dict[str, FileStamp]:
    """The current stamp of each shard's file, by file name. Temporary files of shards being written are left out."""
    stamps = {}
    with suppress(FileNotFoundError), os.scandir(folder) as entries:  # a copy of a run may lack an empty folder
        for entry in entries:
            if entry.name.endswith(".json") and not entry.name.startswith("."):
                with suppress(FileNotFoundError):  # removed just now, because its trial starts again
                    now = _stat(entry)
                    stamps[entry.name] = now.st_ino, now.st_size, now.st_mtime_ns
    return stamps


def _stat(entry: os.DirEntry[str]) -> os.stat_result:
    """The stat of the file that a link points to; of the link itself where it is broken."""
    try:
        return entry.stat()
    except OSError:
        return entry.stat(follow_symlinks=False)


def read_cache(path: Path, trials: int) -> ShardCache:
    """The cache of a run with `trials` trials; empty where the file is missing or cannot be used."""
    try:
        table = _read_parquet(path, trials)
    except (OSError, pa.ArrowException):  # not an error: the shards themselves are read instead
        table = None
    if table is None or not table.schema.equals(_CACHED, check_metadata=True):
        table = _CACHED.empty_table()
    stamps = zip(*(table[name].to_pylist() for name in _STAMPS), strict=True)
    keys = zip(table["trial"].to_pylist(), stamps, strict=True)
    rows = {key: number for number, key in enumerate(keys)}
    return ShardCache(table.select(_NAMES), table["digest"].to_pylist(), rows)


def _read_parquet(path: Path, trials: int) -> pa.Table | None:
    """The table in the file; None if it has more rows than `trials`, or text with characters that no `Shard` has.

    The sizes are checked before anything is decompressed, because a small file can decompress to a huge table.
    """
    file = pq.ParquetFile(pa.BufferReader(read_regular(path, LISTS)), page_checksum_verification=True)
    unpacked = sum(file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups))
    if file.metadata.num_rows > trials or unpacked > trials * SMALL:
        return None
    table = file.read()
    return table if all(_is_visible(chunk) for column in table.columns for chunk in column.chunks) else None


def _is_visible(chunk: pa.Array) -> bool:
    """Whether all text in a column is what `Shard` accepts. The buffer is checked as one string, which is fast."""
    text = chunk.buffers()[2] if pa.types.is_string(chunk.type) else None
    try:
        return text is None or is_visible(text.to_pybytes().decode())
    except UnicodeDecodeError:
        return False


def write_cache(path: Path, table: pa.Table, stamps: Sequence[FileStamp | None]) -> None:
    """Write to the cache the rows of `table` that have a file stamp; do nothing where it cannot be written."""
    table = table.filter(pa.array([stamp is not None for stamp in stamps]))
    present = [stamp for stamp in stamps if stamp]
    for place, (name, kind) in enumerate(_STAMPS.items()):
        table = table.append_column(name, pa.array([stamp[place] for stamp in present], kind))
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata(_CACHED.metadata), sink, write_page_checksum=True)
    try:
        write_whole(path, sink.getvalue().to_pybytes())
    except OSError:  # another user's run: without the cache the next read is slower, not wrong
        return
