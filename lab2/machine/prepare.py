"""Downloads, once, on a machine with a network, into the one folder that jobs then only read."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from urllib.error import URLError

import torch
import torchvision

from lab2.data.cache import IMAGENET, cache_folder, imagenet_file
from lab2.data.places import NAMED
from lab2.errors import DataError
from lab2.machine.pretrained import bring, is_network
from lab2.models.building.libraries import library
from lab2.models.building.weights import check_digest

WEIGHTS_URL = "https://download.pytorch.org/models/"

# torchvision's own downloads: it knows the mirrors and checks the archives' MD5.
_DATASETS: dict[str, Callable[[Path], object]] = {
    "fashion-mnist": lambda root: torchvision.datasets.FashionMNIST(root, download=True),
    "kmnist": lambda root: torchvision.datasets.KMNIST(root, download=True),
    "emnist-letters": lambda root: torchvision.datasets.EMNIST(root, split="letters", download=True),
    "cifar10": lambda root: torchvision.datasets.CIFAR10(root, download=True),
}
PREPARED = (*_DATASETS, *IMAGENET)


def prepare_all(names: Iterable[str]) -> Iterator[tuple[str, Path]]:
    """Each name and where it lies now; what is there already is left alone.

    Raises `DataError` or `ConfigError` for an unknown name, and where the network or the disk fails.
    """
    wanted = list(names)
    for name in wanted:
        if is_network(name):
            library(name).record()
        elif name not in PREPARED and name not in NAMED:
            close = difflib.get_close_matches(name, PREPARED, n=1)
            there = f"there are: {', '.join(PREPARED)}, torchvision:NAME and timm:NAME"
            hint = f"did you mean {close[0]!r}?" if close else there
            raise DataError(f"prepare: nothing is called {name!r}; {hint}")
    for name in wanted:
        try:
            yield name, bring(name) if is_network(name) else _weights(name) if name in IMAGENET else _dataset(name)
        except (URLError, RuntimeError) as error:
            raise DataError(
                f"prepare {name}: {error}; run this on a machine with a network, then copy {cache_folder()}"
            ) from error


def _dataset(name: str) -> Path:
    if (whole := _whole(name)) is not None:
        return whole
    root = cache_folder() / "data"
    root.mkdir(parents=True, exist_ok=True)
    if name not in _DATASETS:
        raise DataError(f"prepare {name}: not whole any more; {NAMED[name].advice(name)}")
    _DATASETS[name](root)
    folder = NAMED[name].find()
    assert folder is not None
    _read(name, folder)
    return folder


def _whole(name: str) -> Path | None:
    """Where the data set lies, if it is there and whole: a download that broke off leaves a part."""
    folder = NAMED[name].find()
    try:
        if folder is not None:
            _read(name, folder)
    except DataError:
        return None
    return folder


def _read(name: str, folder: Path) -> None:
    """Whole, or a `DataError` now rather than in a job."""
    source = NAMED[name].open(folder)
    source.read("train"), source.read("test")


def _weights(architecture: str) -> Path:
    path = imagenet_file(architecture)
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(WEIGHTS_URL + path.name, str(path), hash_prefix=path.stem.rpartition("-")[2])
    check_digest(path)
    return path
