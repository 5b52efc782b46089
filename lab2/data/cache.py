"""The one folder that `lab2 prepare` fills and that jobs only read."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """`$LAB2_CACHE`, or `lab2` in the user's cache folder (XDG base directory specification)."""
    if named := os.environ.get("LAB2_CACHE"):
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lab2"
