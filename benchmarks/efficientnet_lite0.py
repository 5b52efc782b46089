"""EfficientNet-Lite0 as PyPI's `efficientnet-lite-pytorch` has it, in the form in which lab2 asks for a network."""

from __future__ import annotations

from efficientnet_lite_pytorch import EfficientNet
from torch import nn


def Lite0(num_classes: int) -> nn.Module:  # noqa: N802  # it stands for a class
    """(B, 3, S, S) images, less 127/255 over 128/255, to (B, K) logits."""
    network: nn.Module = EfficientNet.from_name("efficientnet-lite0", num_classes=num_classes)
    return network
