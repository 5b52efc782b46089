"""Reads a table of predictions that others made: CSV, TSV or Parquet, a row for each image of each trained network.

Columns: image, label, architecture, seed, and prediction or a probability for each class (p_CLASS or prob_CLASS).
Source: RFC 4180 for CSV; a table that is separated by ; or tabs is read, too.
"""

from __future__ import annotations

import csv
import io
import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from lab2.data.table import SUFFIXES
from lab2.errors import DataError
from lab2.regular_file import LARGE, SMALL, check_regular, regular_file

WANTED = "image, label, architecture, seed, and prediction or p_CLASS for each class"
_REQUIRED = ("image", "label", "architecture", "seed")
_SHARE = re.compile(r"p(?:rob)?_(.+)")
_BLOCK = 2**24  # bytes that are parsed at once: no line may be longer


@dataclass(frozen=True, slots=True, eq=False)
class Texts:
    """A column of N texts; each distinct one is kept once."""

    names: Sequence[str]
    codes: NDArray[np.int64]  # (N,) places in `names`

    def __getitem__(self, row: int) -> str:
        return self.names[int(self.codes[row])]

    def first(self, name: int) -> int:
        """The first row that has that name, by its place in `names`."""
        return int(np.argmax(self.codes == name))


@dataclass(frozen=True, slots=True, eq=False)
class AnswerTable:
    """A table of N rows. No text is empty; nothing else is checked yet."""

    path: Path
    image: Texts
    label: Texts
    architecture: Texts
    seed: Texts
    prediction: Texts | None
    shares: NDArray[np.float32] | None  # (N, K) probabilities; NaN where a cell of Parquet is empty
    share_names: tuple[str, ...]  # K, the classes that the columns of probabilities name
    ignored: tuple[str, ...]  # other columns

    def __len__(self) -> int:
        return len(self.image.codes)

    def where(self, row: int) -> str:
        """The file, and the line or the row in it: the first line is the header, the first row of Parquet is 1."""
        if not _is_text(self.path):
            return f"{self.path}: row {row + 1}"
        try:
            lines = (line for place, (line, _) in enumerate(_lines(self.path)) if place == row + 1)
            return f"{self.path}: line {next(lines, row + 2)}"
        except (csv.Error, OSError):  # a cell that is too long for Python's reader
            return f"{self.path}: line {row + 2}"


@dataclass(frozen=True, slots=True)
class _Columns:
    """The columns of a file that are used, as it calls them, and the others."""

    texts: dict[str, str]  # by kind
    shares: dict[str, str]  # by class
    ignored: tuple[str, ...]

    @property
    def used(self) -> list[str]:
        return [*self.texts.values(), *self.shares.values()]


def read_answers(path: Path) -> AnswerTable:
    """The table at `path`. Raises `DataError` that names the line."""
    try:
        check_regular(path, LARGE)
        if _is_text(path):
            columns, cells = _read_text(path)
        elif path.suffix.lower() == ".parquet":
            columns, cells = _read_parquet(path)
        else:
            raise DataError(f"{path}: wanted a name that ends in .csv, .tsv or .parquet; rename it, or save it as CSV")
    except csv.Error as error:
        raise DataError(f"{path}: {error}; is it a table of predictions?") from error
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    texts = {kind: _texts(path, name, cells[name]) for kind, name in columns.texts.items()}
    shares = np.empty((cells.num_rows, len(columns.shares)), np.float32)
    for place, name in enumerate(columns.shares.values()):
        shares[:, place] = _numbers(path, name, cells[name])
    found = AnswerTable(
        path=path,
        **{kind: texts[kind] for kind in _REQUIRED},
        prediction=texts.get("prediction"),
        shares=shares if columns.shares else None,
        share_names=tuple(columns.shares),
        ignored=columns.ignored,
    )
    _refuse_empty(found, columns)
    return found


def _columns(path: Path, header: Sequence[str]) -> _Columns:
    """Which column is what. Raises `DataError` where one is missing or there twice."""
    texts: dict[str, str] = {}
    shares: dict[str, str] = {}
    for column in header:
        plain, share = column.strip().lower(), _SHARE.fullmatch(column.strip())
        if plain in (*_REQUIRED, "prediction"):
            where, kind = texts, plain
        elif share:
            where, kind = shares, share[1]
        else:
            continue
        if kind in where:
            raise DataError(f"{path}: columns {where[kind]!r} and {column!r} are the same; leave one out")
        where[kind] = column
    absent = [kind for kind in _REQUIRED if kind not in texts]
    if not (absent or shares or "prediction" in texts):
        absent = ["prediction"]
    if absent:
        found = ", ".join(header)[:200]
        raise DataError(f"{path}: no column {' and no column '.join(absent)} (found: {found}); wanted {WANTED}")
    used = {*texts.values(), *shares.values()}
    return _Columns(texts, shares, tuple(column for column in header if column not in used))


def _is_text(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES


def _read_text(path: Path) -> tuple[_Columns, Any]:
    header = next((cells for _, cells in _lines(path)), [])
    if len(set(header)) < len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise DataError(f"{path}: line 1: two columns are called {twice!r}; leave one out")
    columns = _columns(path, header)
    kinds = dict.fromkeys(columns.texts.values(), pa.large_string()) | dict.fromkeys(
        columns.shares.values(), pa.float32()
    )
    try:
        table = pyarrow.csv.read_csv(
            path,
            pyarrow.csv.ReadOptions(use_threads=False, block_size=_BLOCK),
            pyarrow.csv.ParseOptions(delimiter=_delimiter(path), newlines_in_values=True),
            pyarrow.csv.ConvertOptions(
                column_types=kinds, include_columns=list(kinds), null_values=[], strings_can_be_null=False
            ),
        )
    except pa.ArrowException as error:
        raise DataError(_explained(path, header, columns, str(error))) from error
    return columns, table


def _explained(path: Path, header: Sequence[str], columns: _Columns, otherwise: str) -> str:
    """What pyarrow could not read: the first line with too few cells, or without a number where one is wanted."""
    shares = [(header.index(name), name) for name in columns.shares.values()]
    for line, cells in itertools.islice(_lines(path), 1, None):
        if len(cells) != len(header):
            return f"{path}: line {line}: {len(cells)} cells, wanted {len(header)}, as the first line has"
        for place, name in shares:
            if not _is_number(cells[place]):
                return f"{path}: line {line}: {name} is {shown(cells[place])}, wanted a number in [0, 1]"
    return f"{path}: {otherwise[:200]}"


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Each line of a CSV with its number, without blank ones. Raises `DataError`, `OSError` and `csv.Error`."""
    with regular_file(path, LARGE) as file, io.TextIOWrapper(file, "utf-8-sig", newline="") as text:
        rows = csv.reader(text, delimiter=_delimiter(path))
        try:
            for cells in rows:
                if cells:
                    yield rows.line_num, cells
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: after line {rows.line_num}: not UTF-8; save it as CSV UTF-8") from error


def _delimiter(path: Path) -> str:
    if path.suffix.lower() == ".tsv":
        return "\t"
    with regular_file(path, LARGE) as file:
        header = file.readline(SMALL).decode("utf-8-sig", errors="replace")
    return max(",;\t", key=header.count)


def _read_parquet(path: Path) -> tuple[_Columns, Any]:
    try:
        file = pq.ParquetFile(path)
        columns = _columns(path, file.schema_arrow.names)
        return columns, file.read(columns=columns.used)
    except pa.ArrowException as error:
        raise DataError(f"{path}: not Parquet that can be read: {str(error)[:200]}") from error


def _texts(path: Path, name: str, column: Any) -> Texts:
    try:
        plain = pc.utf8_trim_whitespace(pc.cast(column, pa.large_string()).fill_null(""))
    except pa.ArrowException as error:
        raise DataError(f"{path}: column {name}: {column.type}, wanted text or whole numbers") from error
    coded = plain.combine_chunks().dictionary_encode()
    return Texts(coded.dictionary.to_pylist(), coded.indices.to_numpy(zero_copy_only=False).astype(np.int64))


def _numbers(path: Path, name: str, column: Any) -> NDArray[np.float32]:
    try:
        found: NDArray[np.float32] = pc.cast(column, pa.float32(), safe=False).to_numpy()
        return found
    except pa.ArrowException as error:
        raise DataError(f"{path}: column {name}: {column.type}, wanted numbers in [0, 1]") from error


def _refuse_empty(table: AnswerTable, columns: _Columns) -> None:
    if not len(table):
        raise DataError(f"{table.path}: no row below the header; wanted a row for each image, architecture and seed")
    for kind in (*_REQUIRED, "prediction"):
        texts: Texts | None = getattr(table, kind)
        if texts is not None and "" in texts.names:
            raise DataError(f"{table.where(texts.first(texts.names.index('')))}: {columns.texts[kind]} is empty")


def shown(text: str) -> str:
    """A value for a message: quoted, with invisible characters as escapes, and cut where it is long."""
    return repr(text if len(text) <= 80 else f"{text[:80]}…")
