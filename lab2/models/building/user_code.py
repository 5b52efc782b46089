"""A network of the user's own is imported as Python would import a script: with what lies beside it."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

from torch import nn

_BESIDE: list[Path] = []  # the folder of the network file that was loaded last, where there was one
_THERE_BEFORE: set[str] = set()  # modules that had been imported before it was


def find(code: str) -> Callable[..., nn.Module]:
    """What `package.module:NAME` or `path/to/file.py:NAME` names; raises whatever its code does."""
    place, _, name = code.rpartition(":")
    module = _load(Path(place)) if place.endswith(".py") else importlib.import_module(place)
    found: Callable[..., nn.Module] = getattr(module, name)
    return found


def _load(path: Path) -> object:
    spec = importlib.util.spec_from_file_location(f"lab2_network_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    _look_beside(path.resolve().parent)
    sys.modules[spec.name] = module  # dataclasses and pickle look their own module up there
    spec.loader.exec_module(module)
    return module


def _look_beside(folder: Path) -> None:
    """Let Python look in `folder` first, as for a script there, also when the network runs.

    What lies beside another network that was loaded before is forgotten: two folders may each have a `layers.py`.
    """
    for before in [one for one in _BESIDE if one != folder]:
        _BESIDE.remove(before)
        sys.path[:] = [place for place in sys.path if place != str(before)]
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if file and Path(file).is_relative_to(before) and name not in _THERE_BEFORE:
                del sys.modules[name]
    if not _BESIDE:
        _BESIDE.append(folder)
        _THERE_BEFORE.clear()
        _THERE_BEFORE.update(sys.modules)
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
