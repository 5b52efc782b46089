"""The bytes of one picture in a Parquet file; a row group is read once for all its rows that are asked for in turn."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lab2.regular_file import LARGE, check_regular


def read_cell(path: Path, column: str, row: int) -> bytes:
    """The picture in `row` of the file; raises `OSError` where the file has changed or is not whole."""
    try:
        starts = _starts(path)
        group = next(number for number, start in enumerate(starts) if row < start) - 1
        cell = _row_group(path, column, group)[row - starts[group]].as_py()
    except (pa.ArrowException, IndexError, StopIteration, KeyError) as error:
        raise OSError(0, f"not whole: {error}", str(path)) from error
    content = cell.get("bytes") if isinstance(cell, dict) else cell
    if not isinstance(content, bytes):
        raise OSError(0, f"row {row} of {column} holds no picture", str(path))
    return content


@lru_cache(maxsize=4)
def _open(path: Path) -> Any:
    check_regular(path, LARGE)
    return pq.ParquetFile(path)


@lru_cache(maxsize=64)
def _starts(path: Path) -> list[int]:
    """The first row of each row group, and one past the last."""
    about = _open(path).metadata
    starts = [0]
    for number in range(about.num_row_groups):
        starts.append(starts[-1] + about.row_group(number).num_rows)
    return starts


@lru_cache(maxsize=1)
def _row_group(path: Path, column: str, group: int) -> Any:
    return _open(path).read_row_group(group, columns=[column])[column]
