"""The base of all architecture configs, and the search for architectures.

An architecture is one file in `lab2/models/` that defines `ARCHITECTURE`: its config, a function that builds its
network, and its paper. The files are found by listing that folder, so no other file has to name them. They import
torch only when they build a network, so that a login node without torch can read every config.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Union

from pydantic import Field

from lab2.errors import ConfigError
from lab2.spec.checks import require

if TYPE_CHECKING:
    from torch import nn

_MODELS = "lab2.models"  # imported by name when needed: an import above would be circular


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """Base of the configs. A config has no channels and no number of classes: those come from the data.

    Each has a field `architecture: Literal[name] = name`, by which a plan identifies its class.
    """

    detects: ClassVar[bool] = False  # a detector: trained on scenes with boxes, predicts boxes

    if TYPE_CHECKING:
        architecture: str

    @property
    def has_small_products(self) -> bool:
        """Whether its matrix products are so small that converting to a lower precision costs more than it saves."""
        return False


NAMED_WEIGHTS = ("auto", "imagenet", "random")  # anything else is the path of a checkpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferConfig(ModelConfig):
    """What VGG16 and AlexNet share: the origin of their weights, the size of their images, and fine-tuning."""

    # "auto": ImageNet's weights where `lab2 prepare` has stored them, otherwise random ones.
    # "imagenet", "random" or the path of a lab2 checkpoint: exactly that, or an error.
    weights: str = "auto"
    image_side: int = 64  # pixels; images are resized to it inside the network
    dropout: float = 0.0  # share of the classifier's units, [0, 1)
    head_epochs: int = 2  # pre-trained weights only: epochs of the classifier on frozen features
    feature_lr_scale: float = 0.1  # pre-trained weights only: learning rate of the features over the classifier's

    def __post_init__(self) -> None:
        name = self.architecture
        require(bool(self.weights), f"{name}: weights is empty; give auto, imagenet, random or a path")
        require(0 <= self.dropout < 1, f"{name}: dropout={self.dropout} is not in [0, 1)")
        require(self.head_epochs >= 0, f"{name}: head_epochs={self.head_epochs} is negative")
        require(
            0 <= self.feature_lr_scale <= 1,
            f"{name}: feature_lr_scale={self.feature_lr_scale} is not in [0, 1]",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedConfig(ModelConfig):
    """Any classifier that Python can import, trained from random weights."""

    architecture: Literal["imported"] = "imported"
    network: str  # "torchvision.models:resnet18", or "my/net.py:Net"; called with num_classes and the options
    options: dict[str, str | int | float | bool] = field(default_factory=dict)  # keyword arguments besides num_classes
    image_side: int | None = None  # pixels; images are resized to it; None: as they are

    def __post_init__(self) -> None:
        place, _, name = self.network.rpartition(":")
        require(
            bool(place) and name.isidentifier(),
            f"imported: network={self.network!r}, wanted module:name or path/to/file.py:name",
        )
        require("num_classes" not in self.options, "imported: options.num_classes comes from the data; take it out")
        require(self.image_side is None or self.image_side > 0, f"imported: image_side={self.image_side}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """An architecture, as one file of `lab2/models/` defines it."""

    config: type[ModelConfig]
    # Takes its config and the `DataShape` of the images. Returns a network from normalised (B, C, S, S) images to
    # (B, K) logits; with `colours` the images have three channels and the config's `image_side`. Raises `ConfigError`
    # where the config does not fit the images.
    build: Callable[[Any, Any], nn.Module]
    paper: str
    differs: str = ""  # how it differs from the paper
    parameters: int | None = None  # of the default config, for grey images of 28 pixels and ten classes
    colours: bool = False  # whether the network needs three channels

    @property
    def name(self) -> str:
        return str(self.config.__dataclass_fields__["architecture"].default)


@cache
def architectures() -> dict[str, Architecture]:
    """Every architecture by its name.

    Raises `ConfigError` for a file there that binds no architecture, or one whose name another file has.
    """
    package = importlib.import_module(_MODELS)
    by_name: dict[str, Architecture] = {}
    files: dict[str, str] = {}
    for info in pkgutil.iter_modules(package.__path__):
        if info.ispkg:  # the packages in that folder hold no architectures, and import torch
            continue
        module = importlib.import_module(f"{_MODELS}.{info.name}")
        file = str(module.__file__)
        architecture = getattr(module, "ARCHITECTURE", None)
        if not isinstance(architecture, Architecture):
            raise ConfigError(f"{file}: binds no ARCHITECTURE; each file of that folder is one (docs/extending.md)")
        if twin := files.get(architecture.name):
            raise ConfigError(f"{file}: its config is called {architecture.name!r}, as that of {twin}; choose another")
        by_name[architecture.name], files[architecture.name] = architecture, file
    return by_name


def any_config() -> Any:
    """The union of all configs, for pydantic, which selects one by its field `architecture`."""
    configs = tuple(architecture.config for architecture in architectures().values())
    return Annotated[Union[configs], Field(discriminator="architecture")]  # noqa: UP007  # built at run time


def __getattr__(name: str) -> Any:
    """The config class of that name: job files for older versions of lab2 import it from here."""
    if name.endswith("Config"):
        for architecture in architectures().values():
            if architecture.config.__name__ == name:
                return architecture.config
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
