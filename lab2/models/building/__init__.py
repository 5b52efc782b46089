"""`build` makes a network that is ready to train from a config."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from lab2.cache import imagenet_file
from lab2.data.datasets import DataShape
from lab2.errors import ConfigError
from lab2.models.building.answers import Answering, read_answer
from lab2.models.building.headed import HeadedNet
from lab2.models.building.named import named
from lab2.models.building.own_weights import brought_by_code
from lab2.models.building.pretrained import with_weights
from lab2.models.building.shapes import with_shapes_alone
from lab2.models.building.weights import find_imagenet, read_weights_metadata
from lab2.models.layers.conv3x3 import use_conv3x3
from lab2.models.layers.front import Front
from lab2.models.network import NetworkConfig
from lab2.spec.architectures import NAMED_WEIGHTS, PRETRAINED, Architecture, ModelConfig, PooledConfig, architectures


class Built(NamedTuple):
    """A network ready to train, and where its weights came from: "random" or the origin; "" where they are fitted."""

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
    if config.code and not (isinstance(config, NetworkConfig) and config.known_as):  # of known libraries it is known
        origin = brought_by_code(network, lambda: kind.build(config, shape)) or origin
    use_conv3x3(network)
    if isinstance(config, NetworkConfig):
        network, origin, side = named(network, config, shape, kind.record(config), brought=origin)
    elif isinstance(config, PooledConfig):
        network, origin = with_weights(network, config, shape)
        side = config.image_side
    elif config.fitted:  # to images in [0, 1], as they are
        origin = ""
    elif not config.detects:  # a detector's images are scenes, of another size: it normalises them itself
        side = _side(kind, config, shape)
        front = Front(*_colours(kind, shape), side if kind.colours else None)
        if config.code:
            network = Answering(front, network, len(shape.classes))
        else:
            network = nn.Sequential(OrderedDict(front=front, network=network))
    return Built(network, origin, side)


def check_model(config: ModelConfig, shape: DataShape, batch_size: int = 2) -> None:
    """Raise what `build` would raise, and `ConfigError` if the network gives no logits. Allocates no weights."""
    if isinstance(config, PooledConfig):
        asked = config.weights
        if asked in PRETRAINED or (asked == "auto" and imagenet_file(config.architecture).is_file()):
            find_imagenet(config.architecture)
        elif asked not in NAMED_WEIGHTS:
            read_weights_metadata(Path(asked), config.architecture)
        config = replace(config, weights="random")

    def check(device: torch.device) -> None:
        built = build(config, shape)
        if not config.detects:
            built.model.to(device)
            _check_output(built, config, shape, device, batch_size)

    with_shapes_alone(check)


def _side(kind: Architecture, config: ModelConfig, shape: DataShape) -> int:
    asked: int | None = getattr(config, "image_side", None) if kind.colours else None
    return asked or shape.side


def _colours(kind: Architecture, shape: DataShape) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel; of three equal ones if the network needs colours and the images are grey."""
    return shape.in_colour if kind.colours else (shape.mean, shape.std)


def _check_output(built: Built, config: ModelConfig, shape: DataShape, device: torch.device, batch_size: int) -> None:
    """Ask a network, which may have shapes and no weights, for the logits of two images. Raises `ConfigError`.

    One that is not lab2's own is asked as in training, too: there auxiliary classifiers answer, and batches count.
    """
    where = f"{config.architecture}: {config.code_field}={config.code}" if config.code else config.architecture
    classes, model = len(shape.classes), built.model
    for training in (False, True) if config.code else (True,):
        count = min(batch_size, 2) if training and config.code else 2
        images = torch.zeros(count, shape.channels, shape.side, shape.side, device=device)
        try:
            with torch.set_grad_enabled(training):
                found = model.train(training)(images)
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from error
        except Exception as error:  # the code may be the user's
            raise ConfigError(f"{where}: {_refusal(error, built.image_side, training, count)}") from error
        if not isinstance(found, tuple):
            try:
                read_answer(found, count, classes)
            except ConfigError as error:
                raise ConfigError(f"{where}: {error}") from error
    if isinstance(model, HeadedNet) and isinstance(config, NetworkConfig) and config.head_epochs:
        model.find_parts(torch.zeros(2, shape.channels, shape.side, shape.side, device=device))


def _refusal(error: Exception, side: int, training: bool, count: int) -> str:
    """What a network that refused images of `side` pixels is to be given instead."""
    what = f"({type(error).__name__}: {error})"
    if training and count == 1 and "more than 1 value per channel" in str(error):
        return f"a batch of one image cannot be normalised {what}; set train.batch_size to 2 or more"
    if training:
        return f"takes images of {side} pixels, but not in training {what}; set model.image_side or model.options"
    return f"does not take images of {side} pixels {what}; set model.image_side, or name a classifier"
