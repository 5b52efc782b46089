"""Any classifier that Python can import: torchvision's others, or a network of the user's own, from random weights."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lab2.errors import ConfigError
from lab2.spec.architectures import Architecture, ImportedConfig

if TYPE_CHECKING:
    from torch import nn

    from lab2.data.datasets import DataShape


def build(config: ImportedConfig, shape: DataShape) -> nn.Module:
    """The network that `config` names. Raises `ConfigError` where it cannot be imported or called."""
    from torch import nn

    where = f"imported: network={config.network}"
    try:
        network = _find(config.network)(num_classes=len(shape.classes), **config.options)
    except Exception as error:  # the code is the user's: whatever it raises is theirs to mend
        raise ConfigError(f"{where}: {type(error).__name__}: {error}") from error
    if not isinstance(network, nn.Module):
        raise ConfigError(f"{where}: gives a {type(network).__name__}, wanted a torch.nn.Module")
    return network


def _find(network: str) -> Callable[..., nn.Module]:
    place, _, name = network.rpartition(":")
    if not place.endswith(".py"):
        found: Callable[..., nn.Module] = getattr(importlib.import_module(place), name)
        return found
    spec = importlib.util.spec_from_file_location(f"lab2_network_{Path(place).stem}", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    own: Callable[..., nn.Module] = getattr(module, name)
    return own


ARCHITECTURE = Architecture(config=ImportedConfig, build=build, paper="that of the imported network", colours=True)
