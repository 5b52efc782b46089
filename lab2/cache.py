"""The one folder that `lab2 prepare` fills and that jobs only read."""

from __future__ import annotations

import glob
import os
from pathlib import Path

# torchvision's files: the end of the name is the beginning of the file's SHA-256.
IMAGENET = {"vgg16": "vgg16-397923af.pth", "alexnet": "alexnet-owt-7be5be79.pth"}


def cache_folder() -> Path:
    """`$LAB2_CACHE`, or `lab2` in the user's cache folder (XDG base directory specification)."""
    if named := os.environ.get("LAB2_CACHE"):
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lab2"


def pretrained_file(known_as: str) -> Path | None:
    """Where `lab2 prepare` put the weights of that name ("vgg16", "torchvision:resnet50"); None where it did not.

    The end of a file's name is the beginning of its SHA-256. Of several the last in alphabetical order counts.
    """
    if known_as in IMAGENET:
        path = imagenet_file(known_as)
        return path if path.is_file() else None
    place, _, name = known_as.partition(":")
    found = sorted((cache_folder() / "weights" / place).glob(f"{glob.escape(name)}-*.safetensors")) if name else []
    return next((path for path in reversed(found) if path.stem.rpartition("-")[0] == name), None)


def imagenet_file(architecture: str) -> Path:
    """Where `lab2 prepare` puts the ImageNet weights of `architecture`."""
    return cache_folder() / "weights" / IMAGENET[architecture]
