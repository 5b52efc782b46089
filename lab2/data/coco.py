"""Pictures with boxes as COCO has them: JSON files with images, annotations and categories.

annotations/*.json                                   as COCO has it; only instances_*.json where there are any
train.json, val.json, test.json, or one file
train/_annotations.coco.json, valid/..., test/...    as Roboflow has it

Pictures lie in images/, train2017/, images/train/ and the like, or beside the file.
What a file is called says which part it is: instances_val2017.json is the validation part. Of one file without such a
name, a test part is held out. A box is [x, y, width, height] in pixels. Crowds (`iscrowd`) are left out, and counted.

Source: https://cocodataset.org/#format-data, "Object Detection".
"""

from __future__ import annotations

import functools
import itertools
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lab2.data.annotation import Annotation, annotation, refuse
from lab2.data.boxed import boxed_listing, part_in, wrappings
from lab2.data.listing import PARTS, Listing
from lab2.data.picture import Picture, Where
from lab2.errors import DataError
from lab2.regular_file import LARGE, read_regular, regular_file

_LARGEST = 1e9  # pixels; the comparison also refuses NaN
_HEAD = 2**16  # bytes of a file that are searched for COCO's keys
_KEYS = re.compile(rb'"(images|annotations|categories)"\s*:\s*\[\s*(?:\{|\]|$)')


@dataclass(frozen=True, slots=True)
class _Content:
    """What one file states."""

    categories: tuple[str, ...]  # in the order of their ids
    images: tuple[tuple[str, Annotation], ...]  # names of pictures, and what is in each
    left_out: Mapping[str, int]


def is_coco(folder: Path) -> bool:
    """Whether `folder` holds such files."""
    return any(_files(root) for root in wrappings(folder))


def read_coco(folder: Path) -> Listing:
    """The pictures of the data set in `folder`. Raises `DataError` that names all that its files lack."""
    root = next(root for root in wrappings(folder) if _files(root))
    left_out: Counter[str] = Counter()
    names: dict[str, int] = {}
    pictures: list[Picture] = []
    for file, part, word in _chosen(root, left_out):
        status = file.stat()
        content = _content(file, (status.st_ino, status.st_size, status.st_mtime_ns))
        left_out.update(content.left_out)
        labels = np.array([names.setdefault(name, len(names)) for name in content.categories], np.int64)
        folders = _folders(root, file, part, word)
        for name, note in content.images:
            path = _found(folders, name)
            key = path.relative_to(root).as_posix() if path.is_relative_to(root) else name
            pictures.append(Picture(path, key, 0, part, annotation=replace(note, labels=labels[note.labels])))
    return boxed_listing(folder, tuple(names), pictures, left_out)


def _files(root: Path) -> list[Path]:
    found = [*root.glob("annotations/*.json"), *root.glob("*.json"), *root.glob("*/_annotations.coco.json")]
    return sorted(path for path in found if not path.name.startswith(".") and _begins_so(path))


def _begins_so(path: Path) -> bool:
    try:
        with regular_file(path, LARGE) as file:
            return _KEYS.search(file.read(_HEAD)) is not None
    except OSError:
        return False


def _chosen(root: Path, left_out: Counter[str]) -> list[tuple[Path, Where, str]]:
    """The files to read, the part of each, and the word that says it."""
    files = _files(root)
    if instances := [path for path in files if path.name.startswith("instances")]:
        left_out["files beside instances_*.json"] += len(files) - len(instances)
        files = instances
    chosen: list[tuple[Path, Where, str]] = []
    for path in files:
        said = part_in(path.parent.name if path.name == "_annotations.coco.json" else path.stem)
        chosen.append((path, said[0] if said else "undecided", said[1] if said else ""))
    order = ["train", "validation", "test", "undecided"]
    chosen.sort(key=lambda one: (order.index(one[1]), one[0]))
    for (path, part, _), (other, same, _) in itertools.pairwise(chosen):
        if part == same:
            raise DataError(f"{path} and {other}: both have boxes of the same part ({part}); take one away")
    if len(chosen) > 1 and chosen[-1][1] == "undecided":
        raise DataError(f"{chosen[-1][0]}: its name says no part; wanted train, val or test in it, or take it away")
    if chosen[0][1] not in ("train", "undecided"):
        raise DataError(f"{root}: no file with train in its name; {chosen[0][0].name} cannot be trained on")
    left_out += Counter()  # without what is 0
    return chosen


def _folders(root: Path, file: Path, part: Where, word: str) -> list[Path]:
    """Where the pictures of `file` may lie."""
    words = dict.fromkeys(["", word, *(name for name, of in PARTS.items() if of == part)])
    below = [above / name for above in (root / "images", root) for name in words]
    return [path for path in dict.fromkeys((*below, file.parent)) if path.is_dir()]


def _found(folders: list[Path], name: str) -> Path:
    """The picture, where it is there; else where it was looked for first."""
    path = next((folder / name for folder in folders if (folder / name).is_file()), folders[0] / name)
    if path.parent != folders[0]:  # where one lies the next one does, too
        folders.sort(key=lambda folder: folder / name != path)
    return path


@functools.lru_cache(maxsize=8)  # a launch opens a data set several times; a file of COCO's own takes seconds
def _content(file: Path, _stamp: tuple[int, ...]) -> _Content:
    try:
        raw = json.loads(read_regular(file, LARGE))
    except OSError as error:
        raise DataError(f"{file}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file}: not whole: {error}; copy it again") from error
    lists = {name: raw.get(name) if isinstance(raw, dict) else None for name in ("images", "annotations", "categories")}
    if absent := [name for name, found in lists.items() if not isinstance(found, list)]:
        raise DataError(f"{file}: has no list of {' and no list of '.join(absent)}; wanted COCO's object detection")
    faults: list[str] = []
    categories = _by_id(lists["categories"], "category", "name", faults)
    images = _by_id(lists["images"], "image", "file_name", faults)
    refuse(file, faults)
    return _gathered(file, categories, images, raw["annotations"])


def _by_id(rows: Any, kind: str, text: str, faults: list[str]) -> dict[Any, dict[str, Any]]:
    """Each of `rows` by its id; those without one, or without `text`, are named in `faults`."""
    found: dict[Any, dict[str, Any]] = {}
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict) or not isinstance(row.get("id"), int | str) or not isinstance(row.get(text), str):
            faults.append(f"{kind} {number} of the list has no id or no {text}")
        elif row["id"] in found:
            faults.append(f"two have the {kind} id {row['id']}")
        else:
            found[row["id"]] = row
    return found


def _gathered(file: Path, categories: dict[Any, Any], images: dict[Any, Any], rows: list[Any]) -> _Content:
    order = sorted(categories, key=lambda one: (isinstance(one, str), one))
    labels = {one: label for label, one in enumerate(order)}
    left_out: Counter[str] = Counter()
    boxes: dict[Any, list[Any]] = {one: [] for one in images}
    faults: dict[Any, list[str]] = {one: [] for one in images}
    for number, found_row in enumerate(rows, 1):
        row = found_row if isinstance(found_row, dict) else {}
        image, place = row.get("image_id"), row["id"] if isinstance(row.get("id"), int) else number
        if not isinstance(image, int | str) or image not in images:
            left_out["annotations of pictures that are not listed"] += 1
        elif row.get("iscrowd"):
            left_out["crowd annotations"] += 1
        elif isinstance(why := _box(row, labels), str):
            faults[image].append(f"annotation {place}: {why}")
        else:
            boxes[image].append((place, *why))
    found = [
        (image["file_name"], annotation(file, "annotation", boxes[one], size=_size(image), faults=tuple(faults[one])))
        for one, image in images.items()
    ]
    return _Content(tuple(categories[one]["name"] for one in order), tuple(found), left_out)


def _box(row: dict[str, Any], labels: dict[Any, int]) -> tuple[int, tuple[float, float, float, float]] | str:
    """Label and corners; what is wrong where there are none."""
    box, category = row.get("bbox"), row.get("category_id")
    if not isinstance(category, int | str) or category not in labels:
        return f"category_id {category!r} is none of its categories"
    if (
        not isinstance(box, list)
        or len(box) != 4
        or not all(type(value) in (int, float) and abs(value) < _LARGEST for value in box)
    ):
        return f"bbox {str(box)[:60]}, wanted [x, y, width, height]"
    x, y, width, height = box
    return labels[category], (x, y, x + width, y + height)


def _size(image: dict[str, Any]) -> tuple[int, int] | None:
    width, height = image.get("width"), image.get("height")
    return (width, height) if isinstance(width, int) and isinstance(height, int) and width and height else None
