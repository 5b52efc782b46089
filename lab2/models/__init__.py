"""One architecture, one file, one paper. `build` is the one door in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, assert_never

import torch
from torch import nn

from lab2.data.cache import imagenet_file
from lab2.data.datasets import DataShape
from lab2.models.alexnet import alexnet
from lab2.models.cnn import CNN
from lab2.models.faster_rcnn import Detector
from lab2.models.imported import ImportedNet, check_output
from lab2.models.transfer import IMAGENET_MEAN, IMAGENET_STD, TransferNet, adapt, initialise
from lab2.models.vgg16 import vgg16
from lab2.models.vit import ViT
from lab2.models.weights import (
    find_imagenet,
    load_imagenet,
    load_weights,
    read_weights_metadata,
)
from lab2.spec.architectures import (
    NAMED_WEIGHTS,
    AlexNetConfig,
    CNNConfig,
    FasterRCNNConfig,
    ImportedConfig,
    ModelConfig,
    TransferConfig,
    VGG16Config,
    ViTConfig,
)


class Built(NamedTuple):
    """A network ready to train, and where its weights came from: "random" or the origin."""

    model: nn.Module
    weights: str
    image_side: int  # pixels, as the network sees them


def build(config: ModelConfig, shape: DataShape) -> Built:
    """The network of `config` for images of `shape`; raises `ConfigError` or `WeightsError`."""
    match config:
        case CNNConfig():
            return Built(CNN(config, shape), "random", shape.side)
        case ViTConfig():
            return Built(ViT(config, shape), "random", shape.side)
        case FasterRCNNConfig():
            return Built(Detector(config, shape), "random", shape.side)
        case VGG16Config():
            return _transfer(vgg16(config), config, shape)
        case AlexNetConfig():
            return _transfer(alexnet(config), config, shape)
        case ImportedConfig():
            model = ImportedNet(config, shape)
            return Built(model, "random", model.image_side)
        case _:
            assert_never(config)


def check_model(config: ModelConfig, shape: DataShape) -> None:
    """Raise what `build` would, without memory or time for weights."""
    if isinstance(config, TransferConfig):
        asked = config.weights
        if asked == "imagenet" or (asked == "auto" and imagenet_file(config.architecture).is_file()):
            find_imagenet(config.architecture)
        elif asked not in NAMED_WEIGHTS:
            read_weights_metadata(Path(asked), config.architecture)
        config = replace(config, weights="random")
    with torch.device("meta"):
        model = build(config, shape).model
        if isinstance(config, ImportedConfig):
            assert isinstance(model, ImportedNet)
            check_output(model, config, shape)


def _transfer(network: nn.Module, config: VGG16Config | AlexNetConfig, shape: DataShape) -> Built:
    """`network` with the weights that `config` asks for, and a last layer for the classes of `shape`."""
    kind, asked = config.architecture, config.weights
    if asked == "auto":
        asked = "imagenet" if imagenet_file(kind).is_file() else "random"
    if asked == "imagenet":
        origin = load_imagenet(network, kind)
        adapt(network, len(shape.classes))
        return Built(TransferNet(network, config.image_side, IMAGENET_MEAN, IMAGENET_STD), origin, config.image_side)
    adapt(network, len(shape.classes))
    initialise(network)
    colours = (shape.mean * 3, shape.std * 3) if shape.channels == 1 else (shape.mean, shape.std)
    model = TransferNet(network, config.image_side, *colours)
    origin = "random" if asked == "random" else load_weights(model, Path(asked), kind)
    return Built(model, origin, config.image_side)
