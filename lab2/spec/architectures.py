"""What all architectures have in common, and how they are found.

An architecture is one file in `lab2/models/`, which binds `ARCHITECTURE`: its config, how its network is built, its
paper. The file is found by looking there; nobody lists it. It imports torch only when it builds, so that a login node
without torch can read every config.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Union

from pydantic import Field

from lab2.spec.checks import require

if TYPE_CHECKING:
    from torch import nn

_MODELS = "lab2.models"  # by its name alone: the files there import this one


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """Base of the configs. None states channels, image side or number of classes: those belong to the data.

    Each has a field `architecture: Literal[name] = name`, by which a plan tells them apart.
    """

    detects: ClassVar[bool] = False  # it is trained on scenes with boxes, and gives boxes

    if TYPE_CHECKING:
        architecture: str

    @property
    def has_small_products(self) -> bool:
        """Whether its products are so small that converting numbers for them costs more than it saves."""
        return False


NAMED_WEIGHTS = ("auto", "imagenet", "random")  # anything else is the path of a checkpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferConfig(ModelConfig):
    """What VGG16 and AlexNet share: where their weights come from, and how large an image they see."""

    # "auto": ImageNet weights where `lab2 prepare` put them, random ones elsewhere.
    # "imagenet", "random", or the path of a lab2 checkpoint: that, or an error.
    weights: str = "auto"
    image_side: int = 64  # pixels; images are resized to it inside the network
    dropout: float = 0.0  # share of the classifier's units, [0, 1)
    head_epochs: int = 2  # pre-trained weights only: epochs of the classifier on frozen features
    feature_lr_scale: float = 0.1  # pre-trained weights only: learning rate of the features over the head's

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
    """A sixth architecture: any classifier that Python can import, trained from random weights."""

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
    """One file of `lab2/models/`."""

    config: type[ModelConfig]
    # From its config and the `DataShape` of the images to a network: of (B, C, S, S) images, normalised, and with
    # `colours` of three channels at the config's `image_side`, to (B, K) logits. Raises `ConfigError`.
    build: Callable[[Any, Any], nn.Module]
    paper: str
    differs: str = ""  # from the paper
    parameters: int | None = None  # of the default config, on grey images of 28 pixels and ten classes
    colours: bool = False

    @property
    def name(self) -> str:
        return str(self.config.__dataclass_fields__["architecture"].default)


@cache
def architectures() -> dict[str, Architecture]:
    """Every architecture by its name."""
    folder = importlib.import_module(_MODELS)
    found = {}
    for module in pkgutil.iter_modules(folder.__path__):
        if not module.ispkg:  # the packages beside them need torch
            one: Architecture = importlib.import_module(f"{_MODELS}.{module.name}").ARCHITECTURE
            found[one.name] = one
    return found


def any_config() -> Any:
    """The type of all configs, for pydantic, which tells them apart by `architecture`."""
    configs = tuple(one.config for one in architectures().values())
    return Annotated[Union[configs], Field(discriminator="architecture")]  # noqa: UP007  # of what is found


def __getattr__(name: str) -> Any:
    """The config class of that name: job files of older versions import it from here."""
    if name.endswith("Config"):
        for one in architectures().values():
            if one.config.__name__ == name:
                return one.config
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
