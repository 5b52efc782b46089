"""Downloads into the cache folder, on a machine with a network. Jobs only read that folder."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from urllib.error import URLError

import torch
import torchvision

from lab2.cache import IMAGENET, cache_folder, imagenet_file
from lab2.data.places import NAMED, open_source
from lab2.data.torchvision_sets import PREFIX, TORCHVISION
from lab2.errors import DataError
from lab2.machine.pretrained import bring, is_network
from lab2.models.building.libraries import library
from lab2.models.building.weights import check_digest
from lab2.spec.job import DataConfig

WEIGHTS_URL = "https://download.pytorch.org/models/"

# torchvision's own downloads: it knows the mirrors and checks the archives' MD5.
_DATASETS: dict[str, Callable[[Path], object]] = {
    "fashion-mnist": lambda root: torchvision.datasets.FashionMNIST(root, download=True),
    "kmnist": lambda root: torchvision.datasets.KMNIST(root, download=True),
    "emnist-letters": lambda root: torchvision.datasets.EMNIST(root, split="letters", download=True),
    "cifar10": lambda root: torchvision.datasets.CIFAR10(root, download=True),
}
_SPLIT_DOWNLOADS = ("GTSRB", "SVHN")
PREPARED = (*_DATASETS, *IMAGENET)


def prepare_all(names: Iterable[str]) -> Iterator[tuple[str, Path]]:
    """Download each of the names, and yield it with its path. What is already complete is not downloaded again.

    Raises `DataError` or `ConfigError` for an unknown name, and where the network or the disk fails.
    """
    wanted = list(names)
    for name in wanted:
        if _of_torchvision(name):
            continue
        if is_network(name):
            library(name).record()
        elif name not in PREPARED and name not in NAMED:
            close = difflib.get_close_matches(name, PREPARED, n=1)
            there = f"there are: {', '.join(PREPARED)}, torchvision:NAME and timm:NAME"
            hint = f"did you mean {close[0]!r}?" if close else there
            raise DataError(f"prepare: nothing is called {name!r}; {hint}")
    for name in wanted:
        try:
            yield name, _brought(name)
        except (URLError, RuntimeError) as error:
            raise DataError(
                f"prepare {name}: {error}; run this on a machine with a network, then copy {cache_folder()}"
            ) from error


def _brought(name: str) -> Path:
    if _of_torchvision(name):
        return _torchvision(name)
    if is_network(name):
        return bring(name)
    return _weights(name) if name in IMAGENET else _dataset(name)


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


def _of_torchvision(name: str) -> bool:
    return name.removeprefix(PREFIX) in TORCHVISION and name.startswith(PREFIX)


def _torchvision(name: str) -> Path:
    """Downloaded by torchvision itself, part by part where it keeps them apart."""
    root = cache_folder() / "data"
    try:
        open_source(DataConfig(dataset=name)).sha256()
    except DataError:
        root.mkdir(parents=True, exist_ok=True)
        make = getattr(torchvision.datasets, name.removeprefix(PREFIX))
        for more in [{"split": "train"}, {"split": "test"}] if make.__name__ in _SPLIT_DOWNLOADS else [{}]:
            make(root, download=True, **more)
        open_source(DataConfig(dataset=name)).sha256()
    return root


def _whole(name: str) -> Path | None:
    """The path of the data set if it is complete. An interrupted download leaves only a part of it."""
    folder = NAMED[name].find()
    try:
        if folder is not None:
            _read(name, folder)
    except DataError:
        return None
    return folder


def _read(name: str, folder: Path) -> None:
    """Read the whole data set, to raise `DataError` now and not in a job."""
    source = NAMED[name].open(folder)
    source.read("train"), source.read("test")


def _weights(architecture: str) -> Path:
    path = imagenet_file(architecture)
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(WEIGHTS_URL + path.name, str(path), hash_prefix=path.stem.rpartition("-")[2])
    check_digest(path)
    return path
