"""The listing of a set of pictures: where each one's bytes lie, its label, part and group; what was left out, and why.

Each layout has a reader that makes one: folders (`layouts.py`), tables (`table.py`), Parquet (`parquet.py`), boxes as
COCO (`coco.py`), Pascal VOC (`voc.py`) and YOLO (`yolo.py`) have them, and what torchvision has downloaded
(`torchvision_sets.py`). From there on they are the same: `pictures.py` decodes them.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from lab2.data.picture import Picture, Where
from lab2.data.source import Part
from lab2.data.split import SPLIT_SEED, held_out
from lab2.errors import DataError

# What a part is called, in folders' and files' names and in tables.
PARTS: dict[str, Part] = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "validation"),
    **dict.fromkeys(("test", "testing", "tst"), "test"),
}


@dataclass(frozen=True)
class Listing:
    """All pictures of a data set, in an order that does not depend on the machine."""

    name: str  # the data set's, for messages
    classes: tuple[str, ...]
    pictures: tuple[Picture, ...]
    split: str
    left_out: Mapping[str, int] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    layout_names_all: bool = False  # the keys say label and part too, as in train/cat/1.png

    def of(self, part: Part) -> list[int]:
        """Which of `pictures` are in `part`."""
        return [number for number, picture in enumerate(self.pictures) if picture.part == part]

    def sha256(self, contents: Sequence[bytes]) -> str:
        """Over the name of each picture in the data set, what is known of it, and the SHA-256 of its bytes."""
        digest = hashlib.sha256()
        for picture, content in zip(self.pictures, contents, strict=True):
            digest.update(self.identity(picture))
            digest.update(content)
        return digest.hexdigest()

    def identity(self, picture: Picture) -> bytes:
        """What a picture is in this data set, wherever it lies."""
        name = picture.key.encode(errors="surrogateescape") + b"\0"
        if self.layout_names_all:
            return name
        known = f"{self.classes[picture.label]}\0{picture.part}\0{picture.group}\0"
        boxes = b"" if picture.annotation is None else "\0".join(self.classes).encode() + picture.annotation.identity
        return name + known.encode(errors="surrogateescape") + boxes

    @property
    def has_boxes(self) -> bool:
        """Whether the pictures have boxes: all have an annotation, or none has."""
        return bool(self.pictures) and self.pictures[0].annotation is not None


def checked(listing: Listing, test_share: float) -> Listing:
    """`listing` with a test part, cut out of all pictures where the data have none.

    Raises `DataError` for fewer than two classes, a class without a training picture, a part without any, and a group
    that is in two parts.
    """
    _refuse_impossible_names(listing)
    listing = with_test_part(listing, test_share)
    name, classes = listing.name, listing.classes
    if len(classes) < 2:
        found = ", ".join(classes) or "none"
        raise DataError(f"{name}: {len(classes)} class ({found}); wanted two or more")
    trained = {label for picture in listing.pictures if picture.part == "train" for label in picture.shown}
    if empty := [one for label, one in enumerate(classes) if label not in trained]:
        raise DataError(
            f"{name}: no training picture of {', '.join(empty[:20])}: "
            "a network cannot learn a class that it never sees; add pictures, or take the class out"
        )
    parts: dict[str, set[Where]] = {}
    for picture in listing.pictures:
        if picture.group:
            parts.setdefault(picture.group, set()).add(picture.part)
    if torn := sorted(group for group, found in parts.items() if len(found) > 1):
        raise DataError(
            f"{name}: {len(torn)} groups are in more than one part ({', '.join(torn[:5])}), so a network would be "
            "tested on groups that it was trained on; give each group one part, or remove the split: whole groups "
            "are then held out"
        )
    return listing


def _refuse_impossible_names(listing: Listing) -> None:
    """Raise `DataError` for a name that no file can have: tables and annotations may state any."""
    for text in (*listing.classes, *(f"{one.path}{one.key}{one.group}" for one in listing.pictures)):
        try:
            impossible = b"\0" in os.fsencode(text)
        except UnicodeEncodeError:
            impossible = True
        if impossible:
            raise DataError(f"{listing.name}: {text!r} is no name that a file or a class can have; correct it")


def in_order(parts: dict[str, Part]) -> list[str]:
    """The names of `parts`: train before validation before test."""
    order: list[Part] = ["train", "validation", "test"]
    return sorted(parts, key=lambda name: (order.index(parts[name]), name))


def as_given(names: Sequence[str]) -> str:
    """How the data are split whose parts are called `names`."""
    return f"{' and '.join([', '.join(names[:-1]), names[-1]] if len(names) > 1 else names)} as given"


def with_test_part(listing: Listing, test_share: float) -> Listing:
    """The same where it has one; else its validation part is it, or one is cut out of the undecided pictures.

    That is `test_share` of them, each class in its share, in whole groups, by a fixed seed.
    """
    pictures = list(listing.pictures)
    kinds = {picture.part for picture in pictures}
    if kinds == {"train", "validation"}:
        moved = [replace(picture, part="test") if picture.part == "validation" else picture for picture in pictures]
        text = "its validation part is held out as the test part"
        remark = f"{listing.name}: {text}, for it has no other"
        return replace(listing, pictures=tuple(moved), split=text, remarks=(*listing.remarks, remark))
    if "test" in kinds:
        return listing
    labels, groups = [one.label for one in pictures], [one.group for one in pictures]
    taken = set(held_out(labels, groups if any(groups) else None, test_share).tolist())
    if not any(groups):  # a class that only pictures of the test part would show: the first of them is trained on
        trained = {label for number, one in enumerate(pictures) if number not in taken for label in one.shown}
        for number in sorted(taken):
            if not trained.issuperset(pictures[number].shown):
                taken.discard(number)
                trained.update(pictures[number].shown)
    cut = [replace(one, part="test" if number in taken else "train") for number, one in enumerate(pictures)]
    how = "in whole groups" if any(groups) else "of each class"
    text = f"{test_share:.0%} {how} held out as the test part, by a fixed seed ({SPLIT_SEED})"
    remark = f"{listing.name}: no test part: {text}; data.test_share says how much"
    return replace(listing, pictures=tuple(cut), split=text, remarks=(*listing.remarks, remark))
