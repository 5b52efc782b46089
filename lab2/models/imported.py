"""Any classifier that Python can import: torchvision's others, or a network of the user's own.

Differs from the networks beside it: whoever wrote it knows its paper. Images come to it as those of
`transfer.py` come to VGG16: three channels, normalised, at `image_side` pixels. Under equal rules its wide
convolutions are `Conv3x3` too.
Shapes: B images, C channels, S side, I side as the network sees it, K classes.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from lab2.data.datasets import DataShape
from lab2.errors import ConfigError
from lab2.models.conv3x3 import use_conv3x3
from lab2.models.normalize import Normalize
from lab2.models.transfer import in_colour
from lab2.spec.architectures import ImportedConfig


class ImportedNet(nn.Module):
    """(B, C, S, S) images in [0, 1] to the (B, K) logits of the network that `config` names.

    Raises `ConfigError` where it cannot be imported or called, or answers in another shape.
    """

    def __init__(self, config: ImportedConfig, shape: DataShape) -> None:
        super().__init__()
        self.image_side = config.image_side or shape.side
        mean, std = (shape.mean * 3, shape.std * 3) if shape.channels == 1 else (shape.mean, shape.std)
        self.normalize = Normalize(mean, std)
        where = f"imported: network={config.network}"
        try:
            self.network: nn.Module = _find(config.network)(num_classes=len(shape.classes), **config.options)
        except Exception as error:  # the code is the user's: whatever it raises is theirs to mend
            raise ConfigError(f"{where}: {type(error).__name__}: {error}") from error
        if not isinstance(self.network, nn.Module):
            raise ConfigError(f"{where}: gives a {type(self.network).__name__}, wanted a torch.nn.Module")
        use_conv3x3(self.network)

    def forward(self, images: Tensor) -> Tensor:
        x = in_colour(images, self.image_side)  # (B, 3, I, I)
        logits: Tensor = self.network(self.normalize(x).contiguous(memory_format=torch.channels_last))
        return logits


def check_output(model: ImportedNet, config: ImportedConfig, shape: DataShape) -> None:
    """Ask `model`, which has shapes and no weights, for the logits of two images. Raises `ConfigError`."""
    where, wanted = f"imported: network={config.network}", (2, len(shape.classes))
    try:
        found = model(torch.empty(2, shape.channels, shape.side, shape.side, device="meta"))
    except Exception as error:  # the code is the user's, as above
        raise ConfigError(
            f"{where}: does not take images of {model.image_side} pixels ({type(error).__name__}: {error}); "
            "set model.image_side, or name a classifier"
        ) from error
    if not isinstance(found, Tensor) or found.shape != wanted:
        is_found = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise ConfigError(f"{where}: two images give {is_found}, wanted logits of shape {wanted}")


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
