"""Pictures in Parquet, as the Hugging Face hub has them: a column of bytes or paths, a column of labels.

Source: https://huggingface.co/docs/datasets/image_dataset and about_dataset_features: the schema's metadata have a key
`huggingface` with the features, of which `Image` and `ClassLabel` (with the names of the classes) matter here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from lab2.data.listing import Listing, as_given
from lab2.data.table import class_names
from lab2.errors import DataError


def is_parquet(path: Path) -> bool:
    """Whether `path` is a Parquet file, or a folder that has some within two folders."""
    return path.suffix.lower() == ".parquet" and path.is_file() if not path.is_dir() else any(_files(path))


def read_parquet(path: Path) -> Listing:
    """The pictures of one file or of a folder's. Raises `DataError` for files that are not whole or do not fit."""
    from lab2.data.parquet_table import Table  # here, because it loads Arrow, which most data sets do not need

    files = sorted(_files(path)) if path.is_dir() else [path]
    root = path if path.is_dir() else path.parent
    tables = [Table.read(file, file.relative_to(root)) for file in files]
    left_out: Counter[str] = Counter()
    parts = {table.part for table in tables}
    if parts != {None} and None in parts:
        left_out["files of other parts"] = sum(table.part is None for table in tables)
        tables = [table for table in tables if table.part]
    names = {table.names for table in tables}
    if len(names) > 1:
        raise DataError(
            f"{path}: its files have different classes ({len(names)} lists of them); give one of its folders"
        )
    rows = [row for table in tables for row in table.rows()]
    known = names.pop()
    classes = known or class_names({str(row.label) for row in rows if row.label is not None})
    numbers = {name: label for label, name in enumerate(classes)}
    pictures = []
    for row in rows:
        if row.label is None or row.label == -1:
            left_out["pictures without a label"] += 1
            continue
        if row.path == "":
            left_out["rows without a picture"] += 1
            continue
        label = row.label if known and isinstance(row.label, int) else numbers.get(str(row.label))
        if label is None or not 0 <= label < len(classes):
            raise DataError(
                f"{row.file}: row {row.row} has label {row.label!r}, wanted 0 to {len(classes) - 1} or a class's name"
            )
        pictures.append(row.picture(label))
    given = [part for part in ("train", "validation", "test") if any(one.part == part for one in pictures)]
    return Listing(str(path), classes, tuple(pictures), as_given(given) if given else "", dict(left_out))


def _files(folder: Path) -> Iterator[Path]:
    for pattern in ("*.parquet", "*/*.parquet", "*/*/*.parquet"):
        for path in folder.glob(pattern):
            if not any(part.startswith(".") for part in path.relative_to(folder).parts):
                yield path
