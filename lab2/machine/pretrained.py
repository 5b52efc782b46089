"""Pre-trained weights of torchvision's and timm's networks: downloaded once, kept as safetensors with their record."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from lab2.cache import cache_folder, pretrained_file
from lab2.errors import DataError, Lab2Error
from lab2.models.building.libraries import Timm, Torchvision, library
from lab2.models.building.states import write_pretrained
from lab2.models.building.weights import check_digest
from lab2.spec.architectures import LIBRARIES


def is_network(name: str) -> bool:
    """Whether `name` is "torchvision:NAME" or "timm:NAME"."""
    return name.partition(":")[0] in LIBRARIES and ":" in name


def bring(name: str) -> Path:
    """Where the weights of the network lie now; what is there already is checked and left alone.

    The library itself downloads them and builds the network, so that whatever it does to old files is done. Raises
    `ConfigError` for an unknown name, `WeightsError` for an altered file, `DataError` where there is no network.
    """
    if (there := pretrained_file(name)) is not None:
        check_digest(there)
        return there
    one = library(name)
    assert isinstance(one, Torchvision | Timm)
    record = one.record()
    folder = cache_folder() / "weights" / name.partition(":")[0]
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as downloads:
        try:
            network = one.pretrained(Path(downloads))
        except Lab2Error:
            raise
        except Exception as error:  # whatever the hub's client raises
            raise DataError(
                f"prepare {name}: {type(error).__name__}: {error}; run this on a machine with a network, then copy "
                f"{cache_folder()}"
            ) from error
        made = Path(downloads) / "weights.safetensors"
        write_pretrained(made, network.state_dict(), record)
        with made.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return made.rename(folder / f"{name.partition(':')[2]}-{digest[:16]}.safetensors")
