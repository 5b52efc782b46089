"""A network with a head: the layers that give the classes, found by the network's own record, or named.

Shapes: B images, C channels, S side of the data (pixels), K classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from lab2.errors import ConfigError
from lab2.models.building.answers import Answering
from lab2.models.building.two_parts import TwoParts
from lab2.models.layers.front import Front

_AS_TORCHVISION = ("fc", "classifier", "heads", "head")  # what torchvision's classifiers call it


def find_heads(network: nn.Module, named: str, classes: int, where: str) -> tuple[str, ...]:
    """The names of the layers of `network` that give the classes: `named`, or by its own record.

    Its record is what its `get_classifier()` gives, as timm's networks have it, or torchvision's names. Raises
    `ConfigError` where there is none, or one is not as wide as the classes.
    """
    names = (named,) if named else tuple(_by_record(network))
    layers = dict(network.named_modules())
    for name in names:
        weight = getattr(layers.get(name), "weight", None)
        if not isinstance(weight, Tensor) or len(weight) != classes:
            found = f"gives {len(weight)} numbers" if isinstance(weight, Tensor) else "is no layer with weights"
            raise ConfigError(f"{where}: the head {name!r} {found}, wanted one for {classes} classes; set model.head")
    if not names:
        last = [name for name, layer in layers.items() if isinstance(layer, nn.Linear)][-1:]
        hint = f", such as model.head={last[0]}" if last else ""
        raise ConfigError(f"{where}: it is not known which layer gives the classes; set model.head to its name{hint}")
    return names


def _by_record(network: nn.Module) -> Iterator[str]:
    get_classifier: Any = getattr(network, "get_classifier", None)
    if callable(get_classifier):
        found = get_classifier()
        layers = found if isinstance(found, tuple | list) else (found,)
        # A head that is a block of layers: the last of them that has weights.
        inner = [last for one in layers if isinstance(one, nn.Module) and (last := _last(one))]
        yield from (name for name, layer in network.named_modules() if layer in inner)
        return
    for name in _AS_TORCHVISION:
        layer = getattr(network, name, None)
        if isinstance(layer, nn.Module) and (last := _last(layer)) is not None:
            yield next(at for at, one in network.named_modules() if one is last)
            return


def _last(layer: nn.Module) -> nn.Module | None:
    linear = [one for one in layer.modules() if isinstance(one, nn.Linear | nn.Conv2d)]
    return linear[-1] if linear else None


class _ReachedError(Exception):
    """The head was called: what it was given is known, and nothing after it need run."""

    def __init__(self, given: Tensor) -> None:
        super().__init__()
        self.given = given


class HeadedNet(Answering, TwoParts):
    """Any network whose features and head can be trained apart.

    The head that is trained first is the layer of the classes, or a block that ends with it. Of the blocks whose input
    alone gives the logits it is the one with the smallest input; of equals the outermost.
    """

    def __init__(
        self,
        front: Front,
        network: nn.Module,
        classes: int,
        heads: tuple[str, ...],
        *,
        where: str,
        predict_batch: int,
        frozen_statistics: bool,
    ) -> None:
        """With `frozen_statistics` batch norms stay in evaluation mode: they use and keep their running statistics."""
        super().__init__(front, network, classes, predict_batch=predict_batch)
        self.heads, self.where = heads, where
        self.part = heads[0]
        self.frozen_statistics = frozen_statistics

    def train(self, mode: bool = True) -> Self:
        """In training mode or not; batch norms whose statistics are frozen never are."""
        super().train(mode)
        if self.frozen_statistics:
            for layer in self.modules():
                if isinstance(layer, _BatchNorm):
                    layer.eval()
        return self

    def head_parameters(self) -> list[nn.Parameter]:
        """Of the block that `find_parts` found; before, of the layers of the classes."""
        names = (self.part,) if len(self.heads) == 1 else self.heads
        return [p for name in names for p in self._network().get_submodule(name).parameters()]

    @torch.no_grad()
    def find_parts(self, images: Tensor) -> None:
        """Find the head, for images like these. Raises `ConfigError` where no layer's input alone gives the logits."""
        was_training = self.training
        self.eval()
        try:
            logits, seen = self._watched(images)
            if not seen:
                raise ConfigError(
                    f"{self.where}: the input of {' and '.join(self.heads)} alone does not give the logits, so the "
                    "head cannot be trained first; set model.head_epochs=0, or model.head"
                )
            self.part = min(seen, key=lambda name: (seen[name], name.count(".")))
            again = None if logits.is_meta else self.classify(self.extract(images))
            if again is not None and not torch.allclose(again, logits, rtol=1e-3, atol=1e-4):
                raise ConfigError(
                    f"{self.where}: something follows on its head {self.part}; set model.head_epochs=0, or model.head"
                )
        finally:
            self.train(was_training)

    def extract(self, images: Tensor) -> Tensor:
        """What the head is given for (B, C, S, S) images: nothing after it runs."""

        def reached(_: nn.Module, given: tuple[Tensor, ...]) -> None:
            raise _ReachedError(given[0])

        hook = self._network().get_submodule(self.part).register_forward_pre_hook(reached)
        try:
            self(images)
        except _ReachedError as stop:
            return stop.given
        finally:
            hook.remove()
        raise AssertionError(f"{self.part} did not run")

    def classify(self, features: Tensor) -> Tensor:
        """(B, K) logits of what `extract` gave."""
        logits: Tensor = self._network().get_submodule(self.part)(features)
        return logits.flatten(1)

    def _network(self) -> nn.Module:
        return self.get_submodule("network")

    def _watched(self, images: Tensor) -> tuple[Tensor, dict[str, int]]:
        """The logits, and of each block around the one head that may be split off: how many numbers it is given."""
        calls: dict[str, list[int]] = {}
        wanted = (len(images), self.classes)

        def called(name: str, given: tuple[Any, ...], output: object) -> None:
            alone = len(given) == 1 and isinstance(given[0], Tensor) and len(given[0]) == len(images)
            ends = isinstance(output, Tensor) and output.flatten(1).shape == wanted
            calls.setdefault(name, []).append(prod(given[0].shape) if alone and ends else 0)

        parts = self.heads[0].split(".") if len(self.heads) == 1 else []
        blocks = [".".join(parts[: i + 1]) for i in range(len(parts))]
        hooks = [
            self._network()
            .get_submodule(name)
            .register_forward_hook(lambda _, given, output, name=name: called(name, given, output))
            for name in blocks
        ]
        try:
            logits: Tensor = self(images)
        finally:
            for hook in hooks:
                hook.remove()
        return logits, {name: sizes[0] for name, sizes in calls.items() if len(sizes) == 1 and sizes[0]}
