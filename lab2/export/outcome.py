"""What became of one trial's export, and what is said where an optional package is missing."""

from __future__ import annotations

from enum import Enum
from importlib.util import find_spec

from lab2.errors import ConfigError


class Outcome(Enum):
    """What became of one trial."""

    WRITTEN = "written"
    REPLACED = "replaced"  # the trial was run again, or has a metric more, since it was exported
    PRESENT = "already there"


def require_package(to: str, *modules: str) -> None:
    """Raise `ConfigError` unless the packages are installed that an export to `to` needs."""
    absent = [name for name in modules if find_spec(name) is None]
    if absent:
        raise ConfigError(f"--to {to}: {', '.join(absent)} is not installed; pip install 'lab2[{to}]'")
