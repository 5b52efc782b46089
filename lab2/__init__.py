"""Which vision architecture should I use for this data, this budget, this machine?"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lab2.api import run as run
    from lab2.report.notebook import load as load

__version__ = "0.2.0"
__all__ = ["load", "run"]

_MODULES = {"load": "lab2.report.notebook", "run": "lab2.api"}


def __getattr__(name: str) -> Any:
    """`lab2.run` brings torch, and `lab2.load` pandas, so each is imported when it is asked for."""
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module 'lab2' has no attribute {name!r}")
