"""A network by its name, with the weights that it is to begin with, and the images as those want them."""

from __future__ import annotations

from torch import nn

from lab2.cache import pretrained_file
from lab2.data.datasets import DataShape
from lab2.errors import ConfigError, WeightsError
from lab2.measure.batch import images_at_a_time
from lab2.models.building.answers import Answering
from lab2.models.building.headed import HeadedNet, find_heads
from lab2.models.building.states import load_into, read_start
from lab2.models.layers.front import Front
from lab2.models.network import NetworkConfig
from lab2.spec.architectures import PRETRAINED, Record


def named(
    network: nn.Module, config: NetworkConfig, shape: DataShape, record: Record, *, brought: str
) -> tuple[nn.Module, str, int]:
    """`network`, ready to train; where its weights came from; the side of the images as it sees them, in pixels.

    `record` is what the network says of its images, `brought` where its weights are from as its code made it.
    Raises `WeightsError` and `ConfigError`.
    """
    where, classes = f"network: name={config.name}", len(shape.classes)
    side = config.image_side or record.image_side or shape.side
    at_once = images_at_a_time(side)
    asked = config.weights
    if asked == "auto":
        asked = "pretrained" if pretrained_file(config.known_as) else "random"
    if asked == "random":
        front = _front(config, Record(), shape, side)
        return Answering(front, network, classes, predict_batch=at_once), brought, side
    heads = find_heads(network, config.head, classes, where)
    if asked == "own":
        _require_own(network, brought, where)
        said = brought
    else:
        saved = read_start(asked, config.known_as)
        load_into(network, saved, heads)
        said = saved.origin
        if saved.record.mean is not None or asked in PRETRAINED:
            record = saved.record
    _freeze(network, config.frozen, heads, where)
    front = _front(config, record, shape, side)
    headed = HeadedNet(
        front,
        network,
        classes,
        heads,
        where=where,
        predict_batch=at_once,
        frozen_statistics=config.frozen_statistics,
    )
    return headed, said, side


def _require_own(network: nn.Module, brought: str, where: str) -> None:
    """Raise `WeightsError` where the code brings no weights; of shapes alone that is not known."""
    if brought == "random" and not any(parameter.is_meta for parameter in network.parameters()):
        raise WeightsError(
            f"{where}: model.weights=own, but its code brings none: built with two seeds, its parameters differ; "
            "set model.weights to a file, or to random"
        )


def _freeze(network: nn.Module, names: tuple[str, ...], heads: tuple[str, ...], where: str) -> None:
    """Let those layers keep their weights. Raises `ConfigError` for one that is not there, or holds the head."""
    layers = dict(network.named_modules())
    for name in names:
        if not name or name not in layers:
            first = [known for known, layer in layers.items() if known and any(True for _ in layer.parameters())][:3]
            raise ConfigError(
                f"{where}: model.frozen names {name!r}, which it has not; its first are {', '.join(first)}"
            )
        if held := [head for head in heads if f"{head}.".startswith(f"{name}.")]:
            raise ConfigError(f"{where}: model.frozen names {name!r}, but its head {held[0]} has to learn the classes")
        layers[name].requires_grad_(False)


def _front(config: NetworkConfig, record: Record, shape: DataShape, side: int) -> Front:
    """Colours and crop as the config states them, else as `record` does, else as the data are."""
    mean, std = shape.in_colour
    mean, std = config.mean or record.mean or mean, config.std or record.std or std
    return Front(mean, std, side, config.crop or record.crop)
