"""Pictures with boxes as YOLO has them: a text file beside each picture, a line a box.

images/train/*, labels/train/*.txt, and val/ and test/ of both    as Ultralytics has it
train/images/*, train/labels/*.txt, valid/..., test/...           as Roboflow has it
images/*, labels/*.txt                                            a test part is held out

The names of the classes stand in data.yaml (or another .yaml) under `names`, or in classes.txt, a line a class. Paths
in data.yaml are not looked at. A line of a label file is `class x y width height`, the middle and the sides of the box
as shares of the picture's sides, or `class` and the corners of an outline (x1 y1 x2 y2 x3 y3 ...), whose box is taken.

Source: https://docs.ultralytics.com/datasets/detect/, "Ultralytics YOLO format".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from lab2.data.annotation import Annotation, annotation
from lab2.data.boxed import boxed_listing, folders_in, part_in, wrappings
from lab2.data.layouts import Walk
from lab2.data.listing import Listing
from lab2.data.picture import Picture, Where
from lab2.errors import DataError
from lab2.regular_file import LISTS, read_regular

_NAMES = ("classes.txt", "obj.names", "labels/classes.txt")
_ITEM = re.compile(r"""\s*(?:(?P<key>\d+)\s*:\s*)?(?P<value>'(?:[^']|'')*'|"(?:[^"\\]|\\.)*"|[^,'"][^,]*)\s*(?:,|$)""")


def is_yolo(folder: Path) -> bool:
    """Whether `folder` holds pictures and labels in such folders."""
    return any(_pairs(root) for root in wrappings(folder))


def read_yolo(folder: Path) -> Listing:
    """The pictures of the data set in `folder`. Raises `DataError` where the names of the classes are missing."""
    root = next(root for root in wrappings(folder) if _pairs(root))
    names = _names(root)
    walk = Walk(folder)
    pictures: list[Picture] = []
    for images, labels, part in _pairs(root):
        unused = {path for path in labels.rglob("*.txt") if path.name != "classes.txt"}
        for path, key in walk.pictures(images, images.relative_to(root).as_posix()):
            file = labels / path.relative_to(images).with_suffix(".txt")
            unused.discard(file)
            pictures.append(Picture(path, key, 0, part, annotation=_read(file, len(names))))
        if unused:
            walk.left_out["label files without a picture"] += len(unused)
    if (root / "images").is_dir() and {images for images, _, _ in _pairs(root)} != {root / "images"}:
        walk.outside(root / "images")
        read = {images.name for images, _, _ in _pairs(root)}
        if others := [name for name in folders_in(root / "images") if name not in read]:
            walk.left_out["folders of images/ that say no part"] += len(others)
    if pictures and not any(picture.part in ("train", "undecided") for picture in pictures):
        raise DataError(f"{root}: no picture of a training part; wanted images/train/ and labels/train/")
    return boxed_listing(folder, names, pictures, walk.left_out)


def _pairs(root: Path) -> list[tuple[Path, Path, Where]]:
    """Folders of pictures, those of their label files, and their parts, in their order; none in which no label lies."""
    images, labels = root / "images", root / "labels"
    found: list[tuple[Path, Path, Where]] = []
    if images.is_dir() and labels.is_dir():
        named = [(name, part_in(name)) for name in folders_in(images)]
        found = [(images / name, labels / name, said[0]) for name, said in named if said]
        found = found or [(images, labels, "undecided")]
    elif root.is_dir():
        named = [(name, part_in(name)) for name in folders_in(root) if (root / name / "labels").is_dir()]
        found = [(root / name / "images", root / name / "labels", said[0]) for name, said in named if said]
    order = ["train", "validation", "test", "undecided"]
    found = sorted((one for one in found if one[0].is_dir()), key=lambda one: order.index(one[2]))
    return found if any(next(pair[1].rglob("*.txt"), None) for pair in found) else []


def _read(file: Path, classes: int) -> Annotation:
    """What a label file states; nothing where there is none: a picture without objects has none."""
    try:
        text = read_regular(file, LISTS).decode()
    except FileNotFoundError:
        text = ""
    except (OSError, UnicodeDecodeError) as error:
        return annotation(file, "line", [], faults=(getattr(error, "strerror", None) or "not UTF-8",))
    boxes, faults = [], []
    for number, line in enumerate(text.splitlines(), 1):
        if words := line.split():
            found = _box(words, classes)
            if isinstance(found, str):
                faults.append(f"line {number}: {found}")
            else:
                boxes.append((number, *found))
    return annotation(file, "line", boxes, relative=True, faults=tuple(faults))


def _box(words: Sequence[str], classes: int) -> tuple[int, tuple[float, float, float, float]] | str:
    """Label and corners, in shares; what is wrong where there are none."""
    try:
        label, *values = (float(word) for word in words)
    except ValueError:
        return f"{' '.join(words)[:60]!r}, wanted numbers: class x y width height"
    if label not in range(classes):
        return f"class {words[0]}, wanted 0 to {classes - 1}"
    if len(values) == 4:
        x, y, width, height = values
        return int(label), (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    if len(values) >= 6 and len(values) % 2 == 0:
        return int(label), (min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2]))
    return f"{len(words)} values, wanted class x y width height"


def _names(root: Path) -> list[str]:
    """The classes by their numbers."""
    tables = sorted([*root.glob("*.yaml"), *root.glob("*.yml")], key=lambda path: (path.stem != "data", path))
    try:
        for path in tables:
            if (names := _names_in(path, read_regular(path, LISTS).decode())) is not None:
                return names
        for path in (root / name for name in _NAMES):
            if path.is_file():
                return [line.strip() for line in read_regular(path, LISTS).decode().splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {getattr(error, 'strerror', None) or 'not UTF-8'}; copy it again") from error
    raise DataError(f"{root}: the classes have no names: wanted data.yaml with names, or classes.txt, a line a class")


def _names_in(path: Path, text: str) -> list[str] | None:
    """What a YAML file has under `names`: a list or a mapping from numbers, in a block or in brackets; None if none."""
    lines = text.splitlines()
    start = next((n for n, line in enumerate(lines) if re.match(r"names\s*:", line)), None)
    if start is None:
        return None
    first = _without_comment(lines[start].partition(":")[2]).strip()
    if first[:1] in ("[", "{"):
        whole = " ".join([first, *(_without_comment(line) for line in lines[start + 1 :])])
        inside = whole[1 : whole.find("]" if first[0] == "[" else "}")]
        items = [(one["key"], one["value"]) for one in _ITEM.finditer(inside)]
    else:
        items = list(_block(lines[start + 1 :]))
    names = {number if key is None else int(key): _unquoted(value) for number, (key, value) in enumerate(items)}
    if not names or sorted(names) != list(range(len(items))):
        raise DataError(f"{path}: names is no list of classes, nor a mapping from 0, 1, 2, ... to them; mend it")
    return [names[number] for number in range(len(names))]


def _block(lines: Sequence[str]) -> Iterator[tuple[str | None, str]]:
    for line in map(_without_comment, lines):
        if line.strip():
            if not line.startswith((" ", "\t", "-")):
                return
            found = re.match(r"\s*(?:-|(\d+)\s*:)\s+(.*)", line)
            yield (found[1], found[2]) if found else ("-1", "")


def _without_comment(line: str) -> str:
    return re.sub(r"(^|\s)#.*", "", line)


def _unquoted(value: str) -> str:
    value = value.strip()
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1].replace("''", "'") if quoted else value
