"""Data sets whose pictures have boxes: what the readers of COCO, Pascal VOC and YOLO have in common.

The label of a picture, for networks that classify it, is the class of its largest box. A picture without a box has no
label. It is left out and counted, for classifiers and detectors alike, so that all rows of a table are tested on the
same pictures.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lab2.data.listing import PARTS, Listing, as_given
from lab2.data.picture import Picture
from lab2.data.source import Part
from lab2.errors import DataError


def wrappings(folder: Path) -> Iterator[Path]:
    """`folder`, and the folders in it as long as each holds one folder only, as archives have it."""
    for _ in range(8):
        yield folder
        inner = [name for name in folders_in(folder) if not name.startswith((".", "__"))]
        if len(inner) != 1:
            return
        folder = folder / inner[0]


def folders_in(folder: Path) -> list[str]:
    """The names of the folders in `folder`, sorted; none where it cannot be read: whoever reads it says why."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if _is_folder(entry))
    except OSError:
        return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads in a circle
        return False


def part_in(name: str) -> tuple[Part, str] | None:
    """The part that a name says, and the word that says it: of instances_val2017 the validation part and val2017."""
    for word in re.split(r"[^A-Za-z0-9]+", name):
        if (part := PARTS.get(word.lower().rstrip("0123456789"))) is not None:
            return part, word
    return None


def boxed_listing(folder: Path, names: Sequence[str], found: Sequence[Picture], left_out: Counter[str]) -> Listing:
    """The listing of pictures with boxes. Their labels are places in `names`. All state a part, or none does.

    Classes without a box are left out, and so are pictures without one. Raises `DataError` where no box is left.
    """
    if twice := sorted(name for name, count in Counter(names).items() if count > 1):
        raise DataError(f"{folder}: two classes are called {', '.join(twice[:20])}; give each a name of its own")
    used = sorted({label for picture in found for label in picture.shown})
    if not used:
        raise DataError(f"{folder}: no picture in it has a box; wanted boxes as COCO, Pascal VOC or YOLO have them")
    if absent := len(names) - len(used):
        left_out["classes without a box"] += absent
    places = np.full(len(names), -1)
    places[used] = np.arange(len(used))
    pictures = []
    for picture in found:
        assert picture.annotation is not None
        note = replace(picture.annotation, labels=places[picture.annotation.labels])
        if len(note.labels) or note.faults:
            pictures.append(replace(picture, label=note.largest, annotation=note))
        else:
            left_out["pictures without a box"] += 1
    order: list[Part] = ["train", "validation", "test"]
    given = [part for part in order if any(one.part == part for one in pictures)]
    classes = tuple(names[label] for label in used)
    remark = f"{folder}: the label of a picture, for networks that classify, is the class of its largest box"
    return Listing(str(folder), classes, tuple(pictures), as_given(given) if given else "", left_out, (remark,))
