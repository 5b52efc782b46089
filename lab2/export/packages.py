"""The forms of an exported network, and what is said where the optional package of an export is missing."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

from lab2.errors import ConfigError

Format = Literal["onnx", "torch-export"]  # of a network


def require_package(to: str, *modules: str) -> None:
    """Raise `ConfigError` unless the packages are installed that an export to `to` needs."""
    absent = [name for name in modules if find_spec(name) is None]
    if absent:
        raise ConfigError(f"--to {to}: {', '.join(absent)} is not installed; pip install 'lab2[{to}]'")
