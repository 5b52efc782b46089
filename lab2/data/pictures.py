"""A set of pictures as a data set: all are brought to one form, which the training pictures decide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lab2.data.annotation import Objects, some
from lab2.data.decoded import Decoded, content_sha256, decoded
from lab2.data.listing import Listing
from lab2.data.picture import Picture
from lab2.data.pixels import Form, Look, colour_of
from lab2.data.source import Facts, Images, Part, Progress, nothing
from lab2.errors import DataError
from lab2.spec.job import DataConfig

IN_MEMORY = 2**29  # bytes of pixels of a whole set that are read into memory; those of larger ones stay in their file
DEFAULT_SIDE = 64  # pixels; for images that are not all squares of one size up to this
BOXES_SIDE = 128  # pixels; the same for pictures with boxes: the objects in them are smaller than they are
_FAINT = 8  # of 255: colours that differ by no more look the same


@dataclass(frozen=True)
class PictureSource:
    """The pictures of a listing, decoded as `config` says: once, for all who ask (`decoded.py`)."""

    listing: Listing
    config: DataConfig
    progress: Progress = nothing

    @property
    def classes(self) -> tuple[str, ...]:
        return self.listing.classes

    @cached_property
    def looks(self) -> list[Look | str]:
        """What each picture of the listing is, or why it cannot be read."""
        return self._decoded.looks()

    @cached_property
    def facts(self) -> Facts:
        """Raises `DataError` as `read` does."""
        left_out = Counter(self.listing.left_out)
        if self.broken:
            counts = {"broken pictures": self._decoded.about.broken, "pictures with wrong boxes": self._wrong_boxes}
            left_out.update({reason: len(found) for reason, found in counts.items() if found})
        if self._decoded.about.frames:
            left_out["pictures' frames after the first"] = self._decoded.about.frames
        remarks = list(self.listing.remarks)
        if left_out:
            remarks.append(f"{self.listing.name}: left out: {Facts(left_out=left_out).left_out_text}")
        if self._decoded.about.form.alpha_is_picture:
            remarks.append(f"{self.listing.name}: only the alpha channel has a shape: it is taken as the picture")
        validation = any(picture.part == "validation" for picture in self.listing.pictures)
        return Facts(self.listing.split, validation, left_out, tuple(remarks), self.listing.has_boxes)

    def read(self, part: Part) -> Images:
        """Small sets into memory; the pixels of others stay in their file until they are asked for.

        Raises `DataError` that names all broken pictures, unless they are to be skipped.
        """
        numbers = self._numbers(part)
        if not numbers:
            raise DataError(f"{self.listing.name}: all its {part} pictures are broken; mend some")
        chosen = [self.listing.pictures[number] for number in numbers]
        labels = np.array([picture.label for picture in chosen], np.int64)
        shown = {label for picture in chosen for label in picture.shown}
        if part == "train" and (gone := set(range(len(self.classes))) - shown):
            names = ", ".join(self.classes[label] for label in sorted(gone))
            raise DataError(f"{self.listing.name}: all training pictures of {names} are broken; mend some")
        rows, stored = np.array(numbers), self._decoded.pixels
        pixels = stored[rows] if stored.nbytes <= IN_MEMORY else stored.take(rows)
        return Images(pixels, labels, _group_numbers(chosen), self._objects(numbers))

    def pictures(self, part: Part) -> list[Picture]:
        """Those that `read` gives, in that order."""
        return [self.listing.pictures[number] for number in self._numbers(part)]

    def sha256(self) -> str:
        """Over all pictures of the listing, broken ones too."""
        return content_sha256(self.listing, self.progress)

    @cached_property
    def broken(self) -> dict[int, str]:
        """Which pictures are not whole or have wrong boxes, and why; raises `DataError` unless they may be skipped."""
        broken, wrong = self._decoded.about.broken, self._wrong_boxes
        if (broken or wrong) and self.config.broken == "stop":
            counted = [(broken, "broken pictures"), (wrong, "pictures with wrong boxes")]
            texts = [f"{len(found)} {what}: {self._named(found)}" for found, what in counted if found]
            raise DataError(
                f"{self.listing.name}: {'; '.join(texts)}; "
                "mend or remove them, or go on without them: --set data.broken=skip"
            )
        return {**broken, **wrong}

    def _named(self, found: dict[int, str]) -> str:
        return some([f"{self.listing.pictures[number].name} ({why})" for number, why in found.items()])

    @cached_property
    def _wrong_boxes(self) -> dict[int, str]:
        """Of the pictures that are whole, those whose annotation is wrong, and why."""
        if not self.listing.has_boxes:
            return {}
        found = {}
        for number, (picture, look) in enumerate(zip(self.listing.pictures, self.looks, strict=True)):
            if picture.annotation is not None and isinstance(look, Look) and number not in self._decoded.about.broken:
                found[number] = picture.annotation.wrong(look.size)
        return {number: why for number, why in found.items() if why}

    def _objects(self, numbers: Sequence[int]) -> tuple[Objects, ...] | None:
        """The objects in the pictures of those numbers, all of which are whole."""
        if not self.listing.has_boxes:
            return None
        side, objects = self._decoded.about.form.side, []
        for number in numbers:
            note, look = self.listing.pictures[number].annotation, self.looks[number]
            assert note is not None
            assert isinstance(look, Look)
            objects.append(note.objects(look.size, side))
        return tuple(objects)

    def _numbers(self, part: Part) -> list[int]:
        return [number for number in self.listing.of(part) if number not in self.broken]

    @cached_property
    def _decoded(self) -> Decoded:
        return decoded(self.listing, self.config, self._form_of, self.progress)

    def _form_of(self, train: Sequence[Look]) -> Form:
        if not train:
            raise DataError(f"{self.listing.name}: none of its training pictures can be read; are they pictures?")
        return form_of(train, self.config, whole=self.listing.has_boxes)


def form_of(train: Sequence[Look], config: DataConfig, *, whole: bool = False) -> Form:
    """The form for training pictures that look so: their own side where all are small squares of one size.

    `whole`: nothing of a picture may be cut off.
    """
    sizes = {one.size for one in train}
    width, height = next(iter(sizes))
    own = len(sizes) == 1 and width == height <= DEFAULT_SIDE
    ranges = [one.range for one in train if one.range]
    alpha = _alpha_is_picture(train)
    return Form(
        side=config.image_side or (width if own else BOXES_SIDE if whole else DEFAULT_SIDE),
        mode="L" if all(one.grey or (alpha and one.alpha) for one in train) else "RGB",
        background=colour_of(config.background),
        range=(min(low for low, _ in ranges), max(high for _, high in ranges)) if ranges else (0, 65535),
        alpha_is_picture=alpha,
        whole=whole,
    )


def _alpha_is_picture(train: Sequence[Look]) -> bool:
    """Whether most have a transparent part, and all that is visible in those is of one colour."""
    transparent = [one for one in train if one.alpha]
    colours = np.array([one.colour for one in transparent if one.colour is not None])
    if 2 * len(transparent) <= len(train) or len(colours) < len(transparent):
        return False
    return bool((np.ptp(colours, axis=0) <= _FAINT).all())


def _group_numbers(pictures: Sequence[Picture]) -> NDArray[np.int64] | None:
    """A number for each group; a picture that has none is one of its own. None where no picture has one."""
    if not any(picture.group for picture in pictures):
        return None
    numbers: dict[str, int] = {}
    keys = [picture.group or f"\0{place}" for place, picture in enumerate(pictures)]
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int64)
