"""What torchvision has downloaded, read without torchvision: `torchvision:NAME`, below the cache folder's `data`.

`torchvision:NAME@FOLDER` reads what lies in another root folder. Nothing is downloaded here, and of pickles only arrays
are built. Where a set has no test part of its own, one is cut out, as of any other.

Source: the layouts of torchvision 0.29's `torchvision.datasets`.
"""

from __future__ import annotations

import csv
import difflib
import json
import string
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from lab2.cache import cache_folder
from lab2.data import arrays
from lab2.data.cifar import CifarSource
from lab2.data.idx import IdxSource
from lab2.data.layouts import read_folder
from lab2.data.listing import Listing, as_given, checked
from lab2.data.picture import Picture, Where
from lab2.data.pictures import PictureSource
from lab2.data.source import Progress, Source, nothing
from lab2.errors import DataError
from lab2.regular_file import LISTS, read_regular
from lab2.spec.job import DataConfig

PREFIX = "torchvision:"


def open_torchvision(config: DataConfig, progress: Progress = nothing) -> Source:
    """The data set that `config` names. Raises `DataError` where it is not there, not whole, or not known."""
    name, root = _named(config.dataset)
    known = {one.lower(): one for one in (*_PICTURES, *_ARRAYS)}
    if name.lower() not in known:
        close = difflib.get_close_matches(name.lower(), known, n=1)
        hint = f"did you mean {PREFIX}{known[close[0]]}? " if close else ""
        raise DataError(f"{config.dataset}: {hint}there are: {', '.join(sorted(known.values(), key=str.lower))}")
    name = known[name.lower()]
    folder, _ = _PICTURES.get(name) or _ARRAYS[name]
    if not (root / folder).is_dir():
        raise DataError(
            f"{config.dataset}: not on this machine (looked in {root / folder}); on a machine with a network: "
            f"lab2 prepare {PREFIX}{name}; or say where: {PREFIX}{name}@FOLDER"
        )
    if name in _ARRAYS:
        if config.image_side is not None:
            raise DataError(
                f"{config.dataset}: image_side={config.image_side} is for sets of pictures; leave out "
                "data.image_side and train.image_side"
            )
        return _ARRAYS[name][1](root / folder)
    try:
        listing = _PICTURES[name][1](root / folder)
    except OSError as error:
        raise DataError(f"{error.filename or root / folder}: {error.strerror or error}; copy it again") from error
    except (ValueError, LookupError, TypeError) as error:
        raise DataError(f"{root / folder}: not as torchvision leaves it: {error!r}; copy it again") from error
    return PictureSource(checked(replace(listing, name=config.dataset), config.test_share), config, progress)


def root_of(dataset: str) -> Path:
    """The root folder in which torchvision was told to download."""
    return _named(dataset)[1]


def is_array(dataset: str) -> bool:
    """Whether torchvision leaves that data set as arrays, not as pictures."""
    return _named(dataset)[0].lower() in {name.lower() for name in _ARRAYS}


def _named(dataset: str) -> tuple[str, Path]:
    name, _, root = dataset.removeprefix(PREFIX).partition("@")
    return name, Path(root).expanduser().absolute() if root else cache_folder() / "data"


def _listing(folder: Path, classes: list[str], found: list[tuple[str, int, Where]]) -> Listing:
    """Of files by their path below `folder`, label and part."""
    pictures = [Picture(folder / file, file, label, part) for file, label, part in found]
    parts = [part for part in ("train", "validation", "test") if any(one.part == part for one in pictures)]
    return Listing(str(folder), tuple(classes), tuple(pictures), as_given(parts))


def _text(path: Path) -> list[str]:
    return [line for line in read_regular(path, LISTS).decode().splitlines() if line.strip()]


def _flowers102(folder: Path) -> Listing:
    parts, labels = arrays.read_mat(folder / "setid.mat"), arrays.read_mat(folder / "imagelabels.mat")["labels"].ravel()
    named: list[tuple[str, Where]] = [("trnid", "train"), ("valid", "validation"), ("tstid", "test")]
    found = [
        (f"jpg/image_{number:05d}.jpg", int(labels[number - 1]) - 1, part)
        for key, part in named
        for number in parts[key].ravel().tolist()
    ]
    return _listing(folder, [str(label + 1) for label in range(int(labels.max()))], found)


def _food101(folder: Path) -> Listing:
    found: list[tuple[str, int, Where]] = []
    lists = {part: json.loads(read_regular(folder / "meta" / f"{part}.json", LISTS)) for part in ("train", "test")}
    classes = sorted(lists["train"])
    parts: list[Where] = ["train", "test"]
    for part in parts:
        for name, files in lists[part].items():
            found += [(f"images/{file}.jpg", classes.index(name), part) for file in files]
    return _listing(folder, classes, found)


def _gtsrb(folder: Path) -> Listing:
    """The frames of one track, the same sign a moment later, are a group: 00003_00012.jpg is frame 12 of track 3."""
    train = read_folder(folder / "GTSRB" / "Training")
    pictures = [replace(one, part="train", group=one.key.rpartition("_")[0]) for one in train.pictures]
    text = read_regular(folder / "GT-final_test.csv", LISTS).decode().splitlines()
    for row in csv.DictReader(text, delimiter=";"):
        file = f"GTSRB/Final_Test/Images/{row['Filename']}"
        pictures.append(Picture(folder / file, file, int(row["ClassId"]), "test"))
    return replace(train, pictures=tuple(pictures), split="train and test as given")


def _pets(folder: Path) -> Listing:
    found: list[tuple[str, int, Where]] = []
    names: dict[int, str] = {}
    lists: list[tuple[str, Where]] = [("trainval", "train"), ("test", "test")]
    for file, part in lists:
        for line in _text(folder / "annotations" / f"{file}.txt"):
            picture, label, *_ = line.split()
            names[int(label) - 1] = picture.rpartition("_")[0]
            found.append((f"images/{picture}.jpg", int(label) - 1, part))
    return _listing(folder, [names[label] for label in range(len(names))], found)


def _dtd(folder: Path) -> Listing:
    lists: list[tuple[str, Where]] = [("train1", "train"), ("val1", "validation"), ("test1", "test")]
    files = [(line.strip(), part) for file, part in lists for line in _text(folder / "labels" / f"{file}.txt")]
    classes = sorted({file.partition("/")[0] for file, _ in files})
    return _listing(folder, classes, [(f"images/{f}", classes.index(f.partition("/")[0]), part) for f, part in files])


def _aircraft(folder: Path) -> Listing:
    data = folder / "data"
    classes = [line.strip() for line in _text(data / "variants.txt")]
    found: list[tuple[str, int, Where]] = []
    lists: list[tuple[str, Where]] = [("train", "train"), ("val", "validation"), ("test", "test")]
    for file, part in lists:
        for line in _text(data / f"images_variant_{file}.txt"):
            picture, _, name = line.strip().partition(" ")
            found.append((f"data/images/{picture}.jpg", classes.index(name), part))
    return _listing(folder, classes, found)


def _caltech101(folder: Path) -> Listing:
    """Without the folder of backgrounds, which is no category."""
    found = read_folder(folder)
    classes = [name for name in found.classes if name != "BACKGROUND_Google"]
    kept = [one for one in found.pictures if found.classes[one.label] in classes]
    pictures = tuple(replace(one, label=classes.index(found.classes[one.label])) for one in kept)
    left_out = {**found.left_out, "pictures of BACKGROUND_Google": len(found.pictures) - len(kept)}
    return replace(found, classes=tuple(classes), pictures=pictures, left_out=left_out)


# Where each lies below the root, and how its listing is made.
_PICTURES: dict[str, tuple[str, Callable[[Path], Listing]]] = {
    "Caltech101": ("caltech101/101_ObjectCategories", _caltech101),
    "Caltech256": ("caltech256/256_ObjectCategories", read_folder),
    "Country211": ("country211", read_folder),
    "DTD": ("dtd/dtd", _dtd),
    "EuroSAT": ("eurosat/2750", read_folder),
    "FGVCAircraft": ("fgvc-aircraft-2013b", _aircraft),
    "Flowers102": ("flowers-102", _flowers102),
    "Food101": ("food-101", _food101),
    "GTSRB": ("gtsrb", _gtsrb),
    "Imagenette": ("imagenette2", read_folder),
    "OxfordIIITPet": ("oxford-iiit-pet", _pets),
    "RenderedSST2": ("rendered-sst2", read_folder),
}
# The same for those that are arrays.
_ARRAYS: dict[str, tuple[str, Callable[[Path], Source]]] = {
    "CIFAR10": ("cifar-10-batches-py", CifarSource),
    "CIFAR100": ("cifar-100-python", arrays.cifar100),
    "FashionMNIST": ("FashionMNIST/raw", lambda folder: IdxSource(folder, tuple(string.digits))),
    "KMNIST": ("KMNIST/raw", lambda folder: IdxSource(folder, tuple(string.digits))),
    "MNIST": ("MNIST/raw", lambda folder: IdxSource(folder, tuple(string.digits))),
    "STL10": ("stl10_binary", arrays.stl10),
    "SVHN": (".", arrays.svhn),
}
TORCHVISION = (*_PICTURES, *_ARRAYS)
