"""Which vision architecture should I use for this data, this budget, this machine?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lab2.api import run as run

__version__ = "0.2.0"
__all__ = ["run"]


def __getattr__(name: str) -> Any:
    """`lab2.run` brings torch, so it is imported when it is asked for."""
    if name == "run":
        from lab2.api import run

        return run
    raise AttributeError(f"module 'lab2' has no attribute {name!r}")
