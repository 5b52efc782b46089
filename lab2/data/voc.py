"""Pictures with boxes as Pascal VOC has them: an XML file a picture.

Annotations/*.xml, JPEGImages/*    and ImageSets/Main/train.txt, val.txt, test.txt, which say the parts

Without lists a test part is held out. Corners count pixels from 1 and are inside of the box: xmin 1 and xmax 10 are ten
pixels. Objects that are marked `difficult` are left out, and counted, as VOC's own evaluation leaves them out.

Source: Everingham et al. 2010 (IJCV 88), and the development kit of VOC 2012. XML is read by expat. A file that
declares an entity is refused, so that none can grow without end or read another file (OWASP, "XML External Entity").
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

import numpy as np

from lab2.data.annotation import Annotation, annotation, refuse
from lab2.data.boxed import boxed_listing, wrappings
from lab2.data.formats import SUFFIXES
from lab2.data.listing import PARTS, Listing
from lab2.data.picture import Picture, Where
from lab2.data.table import class_names
from lab2.errors import DataError
from lab2.regular_file import LISTS, read_regular

_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def is_voc(folder: Path) -> bool:
    """Whether `folder` holds such files."""
    return any(_is_root(root) for root in wrappings(folder))


def _is_root(root: Path) -> bool:
    return (root / "JPEGImages").is_dir() and next((root / "Annotations").glob("*.xml"), None) is not None


def read_voc(folder: Path) -> Listing:
    """The pictures of the data set in `folder`. Raises `DataError` for lists that say no parts."""
    root = next(root for root in wrappings(folder) if _is_root(root))
    left_out: Counter[str] = Counter()
    files = {path.stem: path for path in sorted((root / "Annotations").glob("*.xml")) if path.name[0] != "."}
    parts = _parts(root)
    try:
        images = {path.stem: path for path in (root / "JPEGImages").iterdir() if path.suffix.lower() in SUFFIXES}
    except OSError as error:
        raise DataError(f"{root / 'JPEGImages'}: {error.strerror}; mend that") from error
    counts = {
        "pictures without an annotation file": len((parts or images).keys() - files.keys()),
        "pictures in no list of ImageSets/Main": len(files.keys() - parts.keys()) if parts else 0,
    }
    left_out.update({reason: count for reason, count in counts.items() if count})
    names: dict[str, int] = {}
    pictures = []
    for stem, file in files.items():
        if not parts or stem in parts:
            path = images.get(stem, root / "JPEGImages" / f"{stem}.jpg")
            note = _read(file, names, left_out)
            key = path.relative_to(root).as_posix()
            pictures.append(Picture(path, key, 0, parts.get(stem, "undecided"), annotation=note))
    return boxed_listing(folder, *_in_order(names, pictures), left_out)


def _in_order(names: Mapping[str, int], pictures: list[Picture]) -> tuple[tuple[str, ...], list[Picture]]:
    """The classes in their order, not in that of the files that name them, and the pictures with such labels."""
    classes = class_names(set(names))
    places = np.array([classes.index(name) for name in names], np.int64)
    found = []
    for picture in pictures:
        assert picture.annotation is not None
        note = replace(picture.annotation, labels=places[picture.annotation.labels])
        found.append(replace(picture, annotation=note))
    return classes, found


def _parts(root: Path) -> dict[str, Where]:
    """The part of each picture that a list names; none where there are no lists. Raises `DataError`."""
    folder = root / "ImageSets" / "Main"
    lists = {name: folder / f"{name}.txt" for name in ("train", "trainval", "val", "test")}
    there = {name: path for name, path in lists.items() if path.is_file()}
    if "train" in there:
        there.pop("trainval", None)
    parts: dict[str, Where] = {}
    faults = []
    for name, path in there.items():
        part: Where = "train" if name == "trainval" else PARTS[name]
        try:
            lines = read_regular(path, LISTS).decode().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{path}: {getattr(error, 'strerror', None) or 'not UTF-8'}; copy it again") from error
        for number, line in enumerate(lines, 1):
            if (words := line.split()) and parts.setdefault(words[0], part) != part:
                faults.append(f"{path}: line {number}: {words[0]} is in the {parts[words[0]]} part, too")
    refuse(folder, faults)
    if parts and "train" not in parts.values():
        raise DataError(f"{folder}: no train.txt and no trainval.txt; wanted a list of the training pictures")
    return parts


def _read(file: Path, names: dict[str, int], left_out: Counter[str]) -> Annotation:
    """What an annotation file states. Classes that are new are added to `names`, which numbers them as they come."""
    try:
        root = _parsed(read_regular(file, LISTS))
    except OSError as error:
        return annotation(file, "object", [], faults=(error.strerror or str(error),))
    except (expat.ExpatError, ValueError, LookupError, _RefusedError) as error:  # of an encoding that is not known, too
        return annotation(file, "object", [], faults=(f"not read as XML: {error}",))
    boxes, faults = [], []
    for number, found in enumerate(root.findall("object"), 1):
        if _text(found, "difficult") == "1":
            left_out["objects marked as difficult"] += 1
            continue
        name, box = _text(found, "name"), found.find("bndbox")
        corners = [_text(box, corner) for corner in _CORNERS] if box is not None else []
        try:
            x1, y1, x2, y2 = (float(corner) for corner in corners)
        except ValueError:
            faults.append(f"object {number}: no bndbox with the numbers {', '.join(_CORNERS)}")
            continue
        if name:
            boxes.append((number, names.setdefault(name, len(names)), (x1 - 1, y1 - 1, x2, y2)))
        else:
            faults.append(f"object {number}: it has no name")
    return annotation(file, "object", boxes, size=_size(root), faults=tuple(faults))


def _text(element: Element, name: str) -> str:
    return (element.findtext(name) or "").strip()


def _size(root: Element) -> tuple[int, int] | None:
    """Width and height; None where the file does not say them, or as some tools do, says 0."""
    sides = [_text(root, f"size/{name}") for name in ("width", "height")]
    width, height = (int(side) if side.isdecimal() and len(side) < 10 else 0 for side in sides)
    return (width, height) if width and height else None


class _RefusedError(Exception):
    """An XML file that declares an entity."""


def _parsed(content: bytes) -> Element:
    """The root of an XML file. Raises `ExpatError` where it is not whole, `_RefusedError` where it is not harmless."""
    builder = TreeBuilder()
    parser = expat.ParserCreate()

    def refuse_entity(name: str, *_: Any) -> None:
        raise _RefusedError(f"it declares the entity {name[:60]!r}, which no annotation needs")

    parser.EntityDeclHandler = refuse_entity
    parser.StartElementHandler = lambda name, attributes: builder.start(name, attributes) and None
    parser.EndElementHandler = lambda name: builder.end(name) and None
    parser.CharacterDataHandler = builder.data
    parser.Parse(content, True)
    return builder.close()
