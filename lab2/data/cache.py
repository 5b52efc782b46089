"""The one folder that `lab2 prepare` fills and that jobs only read."""

from __future__ import annotations

import os
from pathlib import Path

# torchvision's files: the end of the name is the beginning of the file's SHA-256.
IMAGENET = {"vgg16": "vgg16-397923af.pth", "alexnet": "alexnet-owt-7be5be79.pth"}


def cache_folder() -> Path:
    """`$LAB2_CACHE`, or `lab2` in the user's cache folder (XDG base directory specification)."""
    if named := os.environ.get("LAB2_CACHE"):
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lab2"


def imagenet_file(architecture: str) -> Path:
    """Where `lab2 prepare` puts the ImageNet weights of `architecture`."""
    return cache_folder() / "weights" / IMAGENET[architecture]
