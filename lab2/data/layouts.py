"""Reads folders of pictures: which folder is a class, which is a part, and which files are left out.

train/<class>/*, test/<class>/*                    as given
train/, val/ (valid, validation, dev) and test/    the middle one is the validation part
train/ and val/                                    val/ is the test part
<class>/*, or train/<class>/* alone                a test part is cut out: `listing.with_test_part`
<class>/train/*, <class>/test/*                    as MVTec has it

A class is the first folder below its part, whatever folders lie in it. A folder that holds nothing but one folder is a
wrapping, as archives have it. Hidden files and folders, what macOS leaves, and files that are no pictures are counted.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lab2.data.formats import SUFFIXES
from lab2.data.listing import PARTS, Listing, as_given, in_order
from lab2.data.picture import Picture
from lab2.data.pixels import is_picture
from lab2.data.source import Part
from lab2.errors import DataError
from lab2.regular_file import LISTS, regular_file

_FOREIGN = frozenset({"__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found"})
_WANTED = "wanted train/<class>/ and test/<class>/, or <class>/"


def read_folder(folder: Path) -> Listing:
    """The pictures below `folder`. Raises `DataError` for a folder in which there are no classes."""
    walk = Walk(folder)
    root = _unwrapped(walk, folder)
    folders = walk.folders(root)
    parts = _parts(folders)
    if "train" in parts.values():
        return _by_part(walk, root, parts, len(folders) - len(parts))
    if folders and len(parts) == len(folders):
        raise DataError(f"{root}: holds {', '.join(sorted(folders))} and no train/; {_WANTED}")
    inner = {name: _parts(walk.folders(root / name, quiet=True)) for name in folders}
    if folders and all("train" in found.values() for found in inner.values()):
        return _by_class(walk, root, inner)
    walk.outside(root)
    pictures = [
        Picture(path, key, label, "undecided")
        for label, name in enumerate(sorted(folders))
        for path, key in walk.pictures(root / name, name)
    ]
    return _listing(walk, tuple(sorted(folders)), pictures)


def _by_part(walk: Walk, root: Path, parts: dict[str, Part], more: int) -> Listing:
    if more:
        walk.left_out["folders beside train/"] += more
    walk.outside(root)
    trained = [name for name, part in parts.items() if part == "train"]
    classes = tuple(sorted({one for name in trained for one in walk.folders(root / name, quiet=True)}))
    pictures: list[Picture] = []
    for name in in_order(parts):
        before = len(pictures)
        walk.outside(root / name)
        for label_name in sorted(walk.folders(root / name)):
            if label_name not in classes:
                raise DataError(f"{root / name / label_name}: {trained[0]}/ has no class {label_name!r}")
            label = classes.index(label_name)
            for path, key in walk.pictures(root / name / label_name, f"{name}/{label_name}"):
                pictures.append(Picture(path, key, label, parts[name]))
        if len(pictures) == before:
            raise DataError(f"{root / name}: holds no picture in folders; add some, or take it away; {_WANTED}")
    return _listing(walk, classes, pictures, as_given(in_order(parts)), named=set(parts.values()) != {"train"})


def _by_class(walk: Walk, root: Path, inner: dict[str, dict[str, Part]]) -> Listing:
    classes = tuple(sorted(inner))
    pictures = []
    walk.outside(root)
    for label, name in enumerate(classes):
        walk.outside(root / name)
        for folder in in_order(inner[name]):
            for path, key in walk.pictures(root / name / folder, f"{name}/{folder}"):
                pictures.append(Picture(path, key, label, inner[name][folder]))
    return _listing(walk, classes, pictures, "the parts of each class as given", named=True)


def _listing(
    walk: Walk,
    classes: tuple[str, ...],
    pictures: list[Picture],
    split: str = "",
    *,
    named: bool = False,
) -> Listing:
    if not pictures:
        raise DataError(f"{walk.folder}: holds no picture in folders; {_WANTED}")
    left_out = dict(walk.left_out)
    return Listing(str(walk.folder), classes, tuple(pictures), split, left_out, layout_names_all=named)


def _parts(names: list[str]) -> dict[str, Part]:
    """Those of the folders `names` that are called as a part is."""
    return {name: PARTS[name.lower()] for name in names if name.lower() in PARTS}


def _unwrapped(walk: Walk, folder: Path) -> Path:
    """The folder itself, or the first below it that holds more than one folder."""
    for _ in range(8):
        names = walk.folders(folder, quiet=True)
        if len(names) != 1 or names[0].lower() in PARTS or walk.has_pictures(folder):
            return folder
        if not walk.folders(folder / names[0], quiet=True):
            return folder
        folder /= names[0]
    return folder


@dataclass
class Walk:
    """Lists folders and counts the files and folders that are left out."""

    folder: Path
    left_out: Counter[str] = field(default_factory=Counter)

    def folders(self, folder: Path, *, quiet: bool = False) -> list[str]:
        """The names of those in `folder` that may hold pictures; the others are counted, unless `quiet`."""
        found = []
        for entry in self._entries(folder):
            if _is_folder(entry):
                reason = _foreign(entry.name)
                if reason is None:
                    found.append(entry.name)
                elif not quiet:
                    self.left_out[f"{reason} folders"] += 1
        return found

    def has_pictures(self, folder: Path) -> bool:
        """Whether a picture lies in `folder` itself, as far as names say."""
        return any(
            Path(entry.name).suffix.lower() in SUFFIXES for entry in self._entries(folder) if not _is_folder(entry)
        )

    def outside(self, folder: Path) -> None:
        """Count the files of `folder` that lie in no class."""
        for entry in self._entries(folder):
            if not _is_folder(entry):
                kind = "pictures" if Path(entry.name).suffix.lower() in SUFFIXES else "files"
                hidden = _foreign(entry.name)
                self.left_out[f"{hidden} files" if hidden else f"{kind} outside of the classes' folders"] += 1

    def pictures(self, folder: Path, key: str) -> Iterator[tuple[Path, str]]:
        """Each picture in `folder` and the folders in it, and its name within the data set; `key` is the folder's."""
        above = frozenset(map(os.path.realpath, folder.resolve().parents)) | {os.path.realpath(self.folder)}
        files = sorted(self._files(folder, above), key=lambda path: path.relative_to(folder).parts)
        for path in files:
            name = path.name
            if reason := _foreign(name):
                self.left_out[f"{reason} files"] += 1
            elif path.suffix.lower() in SUFFIXES or _begins_as_picture(path):
                yield path, f"{key}/{path.relative_to(folder).as_posix()}"
            else:
                self.left_out[f"files that are no pictures ({path.suffix or 'no suffix'})"] += 1

    def _files(self, folder: Path, above: frozenset[str]) -> Iterator[Path]:
        real = os.path.realpath(folder)
        if real in above:  # a link that leads upwards
            self.left_out["links to a folder that they lie in"] += 1
            return
        for entry in self._entries(folder):
            if not _is_folder(entry):
                yield folder / entry.name
            elif reason := _foreign(entry.name):
                self.left_out[f"{reason} folders"] += 1
            else:
                yield from self._files(folder / entry.name, above | {real})

    def _entries(self, folder: Path) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            raise DataError(f"{folder}: {error.strerror}; make it readable, or move it out of the data set") from error


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether to look into it. One that is called as a picture is named as a broken one."""
    try:
        return entry.is_dir() and Path(entry.name).suffix.lower() not in SUFFIXES
    except OSError:  # a link that leads in a circle
        return False


def _foreign(name: str) -> str | None:
    """Why a file or folder of that name belongs to a system and not to the data; None where it does belong."""
    if name in _FOREIGN:
        return name
    if name.startswith("."):
        return "hidden"
    return "system" if name.lower() in ("thumbs.db", "desktop.ini") else None


def _begins_as_picture(path: Path) -> bool:
    try:
        with regular_file(path, LISTS) as file:
            return is_picture(file)
    except OSError:
        return False
