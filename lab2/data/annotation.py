"""Boxes of objects in pictures: as an annotation states them, and in the image that the networks get.

A box is (x1, y1, x2, y2), x to the right and y downwards from the upper left corner of the upright picture, x2 and y2
exclusive. A picture with boxes is letter-boxed (`pixels.letterbox`): nothing of it is cut off, so all boxes stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lab2.data.pixels import letterbox
from lab2.errors import DataError

BEYOND = 1.0  # pixels by which a box may leave its picture, as rounding makes it; it is cut off there
LEAST = 0.01  # pixels; a box with a shorter side has no area
_NAMED = 100  # faults named in one message; the others are counted


@dataclass(frozen=True, slots=True)
class Objects:
    """The D objects in one image."""

    boxes: NDArray[np.float32]  # (D, 4), pixels of the image
    labels: NDArray[np.int64]  # (D,), 0 .. classes - 1


@dataclass(frozen=True, slots=True)
class Annotation:
    """What a file states of one picture: D boxes that could be read, and what could not."""

    file: Path  # it stands there
    unit: str  # what `places` counts: "annotation", "line", "object"
    places: tuple[int, ...]  # of each box, where in the file
    boxes: NDArray[np.float64]  # (D, 4), pixels of the picture
    labels: NDArray[np.int64]  # (D,)
    relative: bool = False  # the boxes are shares of the picture's width and height
    size: tuple[int, int] | None = None  # the picture's width and height in pixels, as the annotation has it
    faults: tuple[str, ...] = ()  # what could not be read, each with its place

    @property
    def identity(self) -> bytes:
        """Bytes that are equal for annotations with the same boxes, labels, size and faults."""
        return self.boxes.tobytes() + self.labels.tobytes() + repr((self.relative, self.size, self.faults)).encode()

    @property
    def largest(self) -> int:
        """The label of the box with the largest area, of the first of several; 0 where there is no box."""
        if not len(self.labels):
            return 0
        sides = self.boxes[:, 2:] - self.boxes[:, :2]
        return int(self.labels[np.argmax(sides.prod(1))])  # of shares, too: all are of the same picture

    def wrong(self, size: tuple[int, int]) -> str:
        """What is wrong with it where the picture has that width and height; "" where nothing is."""
        found = list(self.faults)
        if self.size is not None and self.size != size:
            found.append(f"states {_by(self.size)} pixels, but upright the picture has {_by(size)}")
        elif len(self.boxes):
            found += self._wrong_boxes(size)
        return f"{self.file}: {'; '.join(found)}" if found else ""

    def objects(self, size: tuple[int, int], side: int) -> Objects:
        """In the picture of that width and height, letter-boxed to `side` pixels."""
        (width, height), (left, top) = letterbox(size, side)
        scale = np.array([width / size[0], height / size[1]] * 2)
        boxes = self._inside(size) * scale + np.array([left, top] * 2)
        return Objects(boxes.astype(np.float32), self.labels)

    def _wrong_boxes(self, size: tuple[int, int]) -> list[str]:
        boxes, inside = self._in_pixels(size), self._inside(size)
        flat = np.logical_not((boxes[:, 2:] - boxes[:, :2]).min(1) >= LEAST)  # of numbers that are none, too
        outside = (boxes < -BEYOND).any(1) | (boxes[:, 2:] > np.array(size) + BEYOND).any(1)
        outside |= (inside[:, 2:] - inside[:, :2] < LEAST).any(1)
        return [
            f"{self.unit} {self.places[number]}: box {_corners(boxes[number])} "
            f"{'has no area' if flat[number] else f'lies outside of the picture of {_by(size)} pixels'}"
            for number in np.flatnonzero(np.logical_or(flat, outside))
        ]

    def _in_pixels(self, size: tuple[int, int]) -> NDArray[np.float64]:
        return self.boxes * np.array(size * 2) if self.relative else self.boxes

    def _inside(self, size: tuple[int, int]) -> NDArray[np.float64]:
        """The boxes, cut off at the picture's edge."""
        found: NDArray[np.float64] = self._in_pixels(size).clip(0, np.array(size * 2))
        return found


def annotation(
    file: Path,
    unit: str,
    boxes: list[tuple[int, int, tuple[float, float, float, float]]],
    *,
    relative: bool = False,
    size: tuple[int, int] | None = None,
    faults: tuple[str, ...] = (),
) -> Annotation:
    """Of `boxes`, each its place in `file`, its label and its corners."""
    corners = np.array([box for _, _, box in boxes], np.float64).reshape(-1, 4)
    labels = np.array([label for _, label, _ in boxes], np.int64)
    places = tuple(place for place, _, _ in boxes)
    return Annotation(file, unit, places, corners, labels, relative, size, faults)


def refuse(folder: Path, faults: list[str]) -> None:
    """Raise one `DataError` for all `faults` of a data set that no picture can be blamed for; none: nothing."""
    if faults:
        raise DataError(f"{folder}: {some(faults)}; mend that, then start again")


def some(faults: list[str]) -> str:
    """The first hundred, and how many more there are."""
    more = f" and {len(faults) - _NAMED} more" if len(faults) > _NAMED else ""
    return f"{'; '.join(faults[:_NAMED])}{more}"


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"


def _corners(box: NDArray[np.float64]) -> str:
    return f"({', '.join(f'{value:.6g}' for value in box)})"
