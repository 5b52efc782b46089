"""The test images that a table of predictions may name, and what is known of each: its label, identity and group."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lab2.data.answer_table import AnswerTable, shown
from lab2.data.identity import identities
from lab2.data.pictures import PictureSource
from lab2.data.places import open_source
from lab2.data.source import Progress, Source, nothing
from lab2.data.table import class_names
from lab2.errors import DataError
from lab2.spec.job import DataConfig

TWICE = -2  # the place of a name that two images have


@dataclass(frozen=True, slots=True, eq=False)
class KnownImages:
    """N test images, in the order of their data set."""

    source: str  # what they are of, for messages
    classes: tuple[str, ...]
    labels: NDArray[np.int64]  # (N,)
    identities: NDArray[np.uint64]  # (N,)
    groups: NDArray[np.int64] | None  # (N,)
    names: Sequence[str]  # N, for messages
    places: dict[str, int]  # by each name that an image may be given; `TWICE` where two have it
    sha256: str  # of the data set
    split: str | None = None  # how the data set's parts came about

    def __len__(self) -> int:
        return len(self.labels)


def read_known(config: DataConfig, progress: Progress = nothing) -> KnownImages:
    """The test images of a data set. An image is named by its place in the test part, from 0, or by its path.

    A path is absolute, relative to the data set's folder, or as the data set itself has it. Raises `DataError`.
    """
    source = open_source(config, progress)
    test = source.read("test")
    places = {str(place): place for place in range(len(test))}
    for place, name in _paths(source, Path(config.dataset)):
        places[name] = place if places.get(name, place) == place else TWICE
    return KnownImages(
        source=config.dataset,
        classes=source.classes,
        labels=test.labels,
        identities=identities(test.pixels),
        groups=test.groups,
        names=[one.key for one in source.pictures("test")] if isinstance(source, PictureSource) else list(places),
        places=places,
        sha256=source.sha256(),
        split=source.facts.split,
    )


def _paths(source: Source, dataset: Path) -> Iterator[tuple[int, str]]:
    """The paths by which each test picture may be named; none of a data set that is arrays."""
    if not isinstance(source, PictureSource):
        return
    folder = dataset if dataset.is_dir() else dataset.parent
    for place, picture in enumerate(source.pictures("test")):
        yield place, picture.key
        if picture.row is None:
            yield place, str(picture.path)
            if picture.path.is_relative_to(folder):
                yield place, picture.path.relative_to(folder).as_posix()


def named_images(table: AnswerTable) -> KnownImages:
    """The images as a table itself names and labels them, sorted by name; nothing else is known of them.

    Raises `DataError` for a single class, and where labels and predictions name classes in different ways.
    """
    names = sorted(table.image.names)
    codes, rows = np.unique(table.image.codes, return_index=True)
    label_of = {table.image.names[code]: table.label[row] for code, row in zip(codes, rows, strict=True)}
    predicted = table.prediction.names if table.prediction else []
    if predicted and not set(predicted) & set(table.label.names):
        raise DataError(
            f"{table.path}: no prediction is one of the labels ({shown(predicted[0])} is none, {shown(table.label[0])} "
            "is one); write classes in the same way in both columns"
        )
    labels, others = set(table.label.names), {*predicted, *table.share_names}
    # Those of the labels first: a class that is only predicted changes no number of another.
    classes = (*class_names(labels), *class_names(others - labels))
    if len(classes) < 2:
        raise DataError(f"{table.path}: 1 class ({classes[0]}); wanted two or more")
    numbers = {name: number for number, name in enumerate(classes)}
    digests = b"".join(hashlib.blake2b(name.encode(), digest_size=8).digest() for name in names)
    known = "".join(f"{name}\0{label_of[name]}\0" for name in names)
    return KnownImages(
        source=str(table.path),
        classes=classes,
        labels=np.array([numbers[label_of[name]] for name in names], np.int64),
        identities=np.frombuffer(digests, "<u8").astype(np.uint64),
        groups=None,
        names=names,
        places={name: place for place, name in enumerate(names)},
        sha256=hashlib.sha256(known.encode()).hexdigest(),
    )
