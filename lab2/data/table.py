"""A table of pictures: a CSV or TSV file with the columns path and label, and where wanted split and group.

Paths are relative to the table's folder. Source: RFC 4180 for CSV; a table that is separated by ; or tabs is read, too.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from lab2.data.listing import PARTS, Listing, as_given, in_order
from lab2.data.picture import Picture, Where
from lab2.data.source import Part
from lab2.errors import DataError
from lab2.regular_file import LISTS, read_regular

SUFFIXES = (".csv", ".tsv")
_NAMES = {
    "path": ("path", "file", "filename", "file_name", "filepath", "file_path", "image", "image_path", "img"),
    "label": ("label", "class", "category", "target"),
    "split": ("split", "part", "subset", "set"),
    "group": ("group", "group_id", "patient", "patient_id", "subject", "writer", "scene"),
}


def is_table(path: Path) -> bool:
    """Whether `path` is such a file, by its name."""
    return path.suffix.lower() in SUFFIXES and path.is_file()


def read_table(path: Path) -> Listing:
    """The pictures that the table lists. Raises `DataError` that names the line."""
    try:
        text = read_regular(path, LISTS).decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 ({error}); save it as CSV UTF-8") from error
    header = text.partition("\n")[0]
    delimiter = "\t" if path.suffix.lower() == ".tsv" else max(",;\t", key=header.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        columns = _columns(path, next(rows, []))
        found = [(rows.line_num, row) for row in rows if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise DataError(f"{path}: line {rows.line_num}: {error}") from error
    return _listing(path, columns, found)


def _columns(path: Path, header: Sequence[str]) -> dict[str, int]:
    """Where each of the columns is; raises `DataError` where path or label is none of them."""
    names = [name.strip().lower() for name in header]
    columns = {
        kind: names.index(found)
        for kind, known in _NAMES.items()
        if (found := next((n for n in known if n in names), ""))
    }
    if absent := [kind for kind in ("path", "label") if kind not in columns]:
        found = ", ".join(header)[:200]
        raise DataError(
            f"{path}: its first line has no column {' and no column '.join(absent)} (found: {found}); "
            "wanted path,label and, where there are any, split,group"
        )
    return columns


def _listing(path: Path, columns: dict[str, int], rows: Sequence[tuple[int, Sequence[str]]]) -> Listing:
    left_out: Counter[str] = Counter()
    read: list[tuple[str, str, Where, str]] = []
    given: dict[str, Part] = {}
    for number, row in rows:
        if len(row) <= max(columns.values()):
            raise DataError(f"{path}: line {number}: {len(row)} cells, wanted {max(columns.values()) + 1} or more")
        cells = {kind: row[place].strip() for kind, place in columns.items()}
        if not cells["label"]:
            left_out["rows without a label"] += 1
            continue
        part: Where = "undecided"
        if "split" in columns:
            part = given[cells["split"]] = _part(path, number, cells["split"])
        read.append((cells["path"], cells["label"], part, cells.get("group", "")))
    classes = class_names({label for _, label, _, _ in read})
    labels = {name: label for label, name in enumerate(classes)}
    pictures = tuple(Picture(path.parent / file, file, labels[name], part, group) for file, name, part, group in read)
    split = as_given(in_order(given)) if given else ""
    return Listing(str(path), classes, pictures, split, dict(left_out))


def _part(path: Path, number: int, text: str) -> Part:
    if text.lower() not in PARTS:
        raise DataError(f"{path}: line {number}: split {text!r}, wanted train, validation or test")
    return PARTS[text.lower()]


def class_names(labels: set[str]) -> tuple[str, ...]:
    """In the order of their numbers where all are numbers, else of the alphabet."""
    if all(re.fullmatch(r"-?[0-9]+", label) for label in labels):
        return tuple(sorted(labels, key=lambda label: (int(label), label)))
    return tuple(sorted(labels))
