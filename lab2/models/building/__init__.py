"""`build` makes a network that is ready to train from a config."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lab2.data.cache import imagenet_file
from lab2.data.datasets import DataShape
from lab2.errors import ConfigError
from lab2.models.building.pretrained import with_weights
from lab2.models.building.weights import find_imagenet, read_weights_metadata
from lab2.models.layers.conv3x3 import use_conv3x3
from lab2.models.layers.front import Front
from lab2.spec.architectures import NAMED_WEIGHTS, Architecture, ModelConfig, TransferConfig, architectures


class Built(NamedTuple):
    """A network ready to train, and where its weights came from: "random" or the origin."""

    model: nn.Module
    weights: str
    image_side: int  # pixels, as the network sees them


def build(config: ModelConfig, shape: DataShape) -> Built:
    """The network of `config`, which takes (B, C, S, S) images in [0, 1] of `shape`.

    What all architectures share is added here: normalisation, three channels and another side, faster convolutions,
    weights. Raises `ConfigError` or `WeightsError`.
    """
    kind = architectures()[config.architecture]
    network, origin, side = kind.build(config, shape), "random", shape.side
    use_conv3x3(network)
    if isinstance(config, TransferConfig):
        network, origin = with_weights(network, config, shape)
        side = config.image_side
    elif not config.detects:  # a detector's images are scenes, of another size: it normalises them itself
        side = _side(kind, config, shape)
        front = Front(*_colours(kind, shape), side if kind.colours else None)
        network = nn.Sequential(OrderedDict(front=front, network=network))
    return Built(network, origin, side)


def check_model(config: ModelConfig, shape: DataShape) -> None:
    """Raise what `build` would raise, and `ConfigError` if the network gives no logits. Allocates no weights."""
    if isinstance(config, TransferConfig):
        asked = config.weights
        if asked == "imagenet" or (asked == "auto" and imagenet_file(config.architecture).is_file()):
            find_imagenet(config.architecture)
        elif asked not in NAMED_WEIGHTS:
            read_weights_metadata(Path(asked), config.architecture)
        config = replace(config, weights="random")
    with torch.device("meta"):
        built = build(config, shape)
        if not config.detects:
            _check_output(built, config, shape)


def _side(kind: Architecture, config: ModelConfig, shape: DataShape) -> int:
    asked: int | None = getattr(config, "image_side", None) if kind.colours else None
    return asked or shape.side


def _colours(kind: Architecture, shape: DataShape) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel; of three equal ones if the network needs colours and the images are grey."""
    if kind.colours and shape.channels == 1:
        return shape.mean * 3, shape.std * 3
    return shape.mean, shape.std


def _check_output(built: Built, config: ModelConfig, shape: DataShape) -> None:
    """Check the logits of a network on the meta device, for two images. Raises `ConfigError`."""
    named = getattr(config, "network", None)
    where, wanted = f"{config.architecture}: network={named}" if named else config.architecture, (2, len(shape.classes))
    try:
        found = built.model(torch.empty(2, shape.channels, shape.side, shape.side, device="meta"))
    except Exception as error:  # the code may be the user's
        raise ConfigError(
            f"{where}: does not take images of {built.image_side} pixels ({type(error).__name__}: {error}); "
            "set model.image_side, or name a classifier"
        ) from error
    if not isinstance(found, Tensor) or found.shape != wanted:
        is_found = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise ConfigError(f"{where}: two images give {is_found}, wanted logits of shape {wanted}")
