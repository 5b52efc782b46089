"""Images of one's own: `train/<class>/*` and `test/<class>/*`, any size, grey or colour."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from lab2.data.source import Images, Part
from lab2.errors import DataError
from lab2.regular_file import LISTS, check_regular, regular_file

DEFAULT_SIDE = 64  # pixels; for images that are not all squares of one size up to this
_GREY_MODES = {"1", "L", "LA"}
_DEEP_MODES = {"I;16", "I;16L", "I;16B"}  # grey, 16 bits
# What Pillow raises for files that are not whole.
_BROKEN = (OSError, UnidentifiedImageError, SyntaxError, ValueError, Image.DecompressionBombError)
_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm"}


@dataclass(frozen=True)
class FolderSource:
    """A folder of images, one sub-folder a class. Its name for a class is the sub-folder's."""

    folder: Path
    image_side: int | None = None  # pixels; None: the images' own if they are all small squares of one size

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Raises `DataError` for a folder without train/, or with fewer than two classes."""
        train = self.folder / "train"
        if not train.is_dir():
            raise DataError(f"{self.folder}: holds no train/ folder; wanted train/<class>/ and test/<class>/")
        names = tuple(sorted(p.name for p in train.iterdir() if p.is_dir() and not p.name.startswith(".")))
        if len(names) < 2:
            found = ", ".join(names) or "none"
            raise DataError(f"{train}: {len(names)} class ({found}); wanted two or more sub-folders, one a class")
        return names

    def read(self, part: Part) -> Images:
        """Raises `DataError` for an empty part, an image that does not decode, or an unknown class."""
        files = self._files(part)
        side, mode = self._form
        pixels = np.stack([_decode(path, side, mode) for path, _ in files])
        return Images(pixels, np.array([label for _, label in files], np.int64))

    def sha256(self) -> str:
        digest = hashlib.sha256()
        for part in ("train", "test"):
            for path, _ in self._files(part):
                digest.update(str(path.relative_to(self.folder)).encode() + b"\0")
                digest.update(_digest(path))
        return digest.hexdigest()

    @cached_property
    def _form(self) -> tuple[int, str]:
        """Side in pixels and mode ("L" or "RGB") that all images are brought to, from the training images."""
        sizes, modes = set(), set()
        for path, _ in self._files("train"):
            with _open(path) as image:
                sizes.add(image.size)
                modes.add(image.mode)
        mode = "L" if modes <= _GREY_MODES | _DEEP_MODES else "RGB"
        width, height = next(iter(sizes))
        own = len(sizes) == 1 and width == height <= DEFAULT_SIDE
        return self.image_side or (width if own else DEFAULT_SIDE), mode

    def _files(self, part: Part) -> list[tuple[Path, int]]:
        root = self.folder / part
        if not root.is_dir():
            raise DataError(f"{self.folder}: holds no {part}/ folder; wanted train/<class>/ and test/<class>/")
        files = []
        for folder in sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")):
            if folder.name not in self.classes:
                raise DataError(f"{folder}: train/ has no class {folder.name!r}")
            label = self.classes.index(folder.name)
            found = [(p, label) for p in sorted(folder.iterdir()) if p.suffix.lower() in _SUFFIXES]
            if not found and part == "train":
                raise DataError(f"{folder}: holds no image ({', '.join(sorted(_SUFFIXES))})")
            files += found
        if not files:
            raise DataError(f"{root}: holds no image ({', '.join(sorted(_SUFFIXES))})")
        return files


def _digest(path: Path) -> bytes:
    try:
        with regular_file(path, LISTS) as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; mend or remove it") from error


def _open(path: Path) -> Image.Image:
    try:
        check_regular(path, LISTS)  # to open a FIFO would wait for ever
        return Image.open(path)
    except _BROKEN as error:
        raise DataError(f"{path}: not an image that can be read ({error}); mend or remove it") from error


def _eight_bit(image: Image.Image, path: Path) -> Image.Image:
    """Deep grey images scaled to 8 bits, where `convert` would cut them off at 255."""
    if image.mode in _DEEP_MODES:
        return Image.fromarray((np.asarray(image, np.uint16) // 257).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise DataError(f"{path}: {image.mode} pixels have no fixed range; save it with 8 or 16 bits a channel")
    return image


def _decode(path: Path, side: int, mode: str) -> np.ndarray:
    """The image as (C, side, side): its shorter side resized, its middle cut out."""
    try:
        with _open(path) as opened:
            image = _eight_bit(opened, path).convert(mode)
    except _BROKEN as error:
        raise DataError(f"{path}: corrupt ({error}); mend or remove it") from error
    if image.size != (side, side):
        scale = side / min(image.size)
        width, height = (max(side, round(edge * scale)) for edge in image.size)
        left, top = (width - side) // 2, (height - side) // 2
        image = image.resize((width, height), Image.Resampling.BILINEAR)
        image = image.crop((left, top, left + side, top + side))
    pixels = np.asarray(image, np.uint8)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
