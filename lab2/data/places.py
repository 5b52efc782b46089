"""Data sets by name and place: where each may lie, and how it is opened there."""

from __future__ import annotations

import difflib
import string
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab2.cache import cache_folder
from lab2.data.cifar import CifarSource
from lab2.data.coco import is_coco, read_coco
from lab2.data.digits import DigitsSource
from lab2.data.idx import IdxSource
from lab2.data.layouts import read_folder
from lab2.data.listing import Listing, checked
from lab2.data.parquet import is_parquet, read_parquet
from lab2.data.pictures import PictureSource
from lab2.data.source import Progress, Source, nothing
from lab2.data.table import is_table, read_table
from lab2.data.torchvision_sets import PREFIX, is_array, open_torchvision, root_of
from lab2.data.voc import is_voc, read_voc
from lab2.data.yolo import is_yolo, read_yolo
from lab2.errors import DataError
from lab2.spec.job import DataConfig

_MNIST_DIGESTS = {
    "train-images": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
_DIGITS = tuple(string.digits)
_FASHION = ("T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Boot")
_KANA = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")


@dataclass(frozen=True, slots=True)
class _Named:
    """A data set that lab2 knows by name."""

    places: tuple[Path, ...]  # where it may lie; below the cache folder unless absolute
    open: Callable[[Path], Source]
    embedded: bool = False  # it comes with lab2

    def find(self) -> Path | None:
        """The first place that is there."""
        return next((p for place in self.places if (p := cache_folder() / "data" / place).is_dir()), None)

    def advice(self, name: str) -> str:
        """What to do where it is not there; `name` is its own."""
        if self.embedded:
            return "it came with lab2; install lab2 again"
        return f"on a machine with a network: lab2 prepare {name}"


def _letters(folder: Path) -> IdxSource:
    return IdxSource(
        folder,
        tuple(string.ascii_lowercase),
        train="emnist-letters-train",
        test="emnist-letters-test",
        first_label=1,
        transposed=True,
    )


NAMED = {
    "mnist": _Named(
        (Path(__file__).resolve().parent / "embedded" / "mnist",),
        lambda folder: IdxSource(folder, _DIGITS, digests=_MNIST_DIGESTS),
        embedded=True,
    ),
    "fashion-mnist": _Named(
        (Path("FashionMNIST/raw"), Path("fashion-mnist"), Path("/usr/share/datasets/fashion-mnist")),
        lambda folder: IdxSource(folder, _FASHION),
    ),
    "kmnist": _Named((Path("KMNIST/raw"), Path("kmnist")), lambda folder: IdxSource(folder, _KANA)),
    "emnist-letters": _Named((Path("EMNIST/raw"), Path("emnist-letters")), _letters),
    "optdigits": _Named((Path(__file__).resolve().parent,), lambda _: DigitsSource(), embedded=True),
    "cifar10": _Named((Path("cifar-10-batches-py"), Path("cifar-10-batches-bin")), CifarSource),
}


# Tests and readers: the first reader whose test accepts the path is used.
READERS: tuple[tuple[Callable[[Path], bool], Callable[[Path], Listing]], ...] = (
    (is_table, read_table),
    (is_parquet, read_parquet),
    (is_coco, read_coco),
    (is_voc, read_voc),
    (is_yolo, read_yolo),
    (Path.is_dir, read_folder),
)


def open_source(config: DataConfig, progress: Progress = nothing) -> Source:
    """The data set that `config` names; raises `DataError` saying where it was looked for."""
    if (named := NAMED.get(config.dataset)) is not None:
        if config.image_side is not None:
            raise DataError(
                f"{config.dataset}: image_side={config.image_side} is for sets of pictures; leave out "
                "data.image_side and train.image_side"
            )
        if (folder := named.find()) is not None:
            return named.open(folder)
        places = ", ".join(str(cache_folder() / "data" / place) for place in named.places)
        raise DataError(f"{config.dataset}: not on this machine (looked in {places}); {named.advice(config.dataset)}")
    if config.dataset.startswith(PREFIX):
        return open_torchvision(config, progress)
    path = Path(config.dataset).expanduser()
    for belongs, read in READERS:
        if belongs(path):
            return PictureSource(checked(read(path), config.test_share), config, progress)
    close = difflib.get_close_matches(config.dataset, NAMED, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    found = (
        "a file of another kind; unpack archives first"
        if path.is_file()
        else f"no such data set and no such path{hint}"
    )
    raise DataError(
        f"{config.dataset}: {found}; there are {', '.join(NAMED)}, torchvision:NAME, or the path of a folder, a table "
        "(.csv, .tsv) or Parquet"
    )


def folders_read(dataset: str) -> list[str]:
    """What of the user's has to be there for `dataset`, which `absolute_name` made: files and folders.

    Of a table its folder, and the folders of the pictures that lie outside of it. Raises `DataError`.
    """
    if dataset.startswith(PREFIX):
        return [str(root_of(dataset))] if "@" in dataset else []
    path = Path(dataset)
    if dataset in NAMED or not path.is_absolute():
        return []
    if not is_table(path):
        return [str(path.parent if path.is_file() else path)]
    outside = {str(one.path.parent.resolve()) for one in read_table(path).pictures}
    return [str(path.parent), *sorted(folder for folder in outside if not Path(folder).is_relative_to(path.parent))]


def is_pictures(dataset: str) -> bool:
    """Whether `dataset` is a set of pictures, which may be decoded at any side; the others are arrays of one side."""
    return not is_array(dataset) if dataset.startswith(PREFIX) else dataset not in NAMED


def absolute_name(dataset: str) -> str:
    """A known name as it is; a path so that it holds from anywhere."""
    if dataset.startswith(PREFIX):
        name, at, _ = dataset.partition("@")
        return f"{name}@{root_of(dataset)}" if at else dataset
    path = Path(dataset).expanduser()
    return str(path.resolve()) if dataset not in NAMED and path.exists() else dataset
