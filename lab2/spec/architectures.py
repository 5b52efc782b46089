"""What all architectures have in common, and how they are found.

An architecture is one file in `lab2/models/`, which binds `ARCHITECTURE`: its config, how its network is built, its
paper. The file is found by looking there; nobody lists it. It imports torch only when it builds, so that a login node
without torch can read every config.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Union

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
    code_field: ClassVar[str] = ""  # the field that names what is imported, where the network is not lab2's own

    if TYPE_CHECKING:
        architecture: str

    @property
    def code(self) -> str:
        """What is imported: "package.module:name" or "path/to/file.py:name"; empty where the network is lab2's own."""
        return str(getattr(self, self.code_field)) if self.code_field else ""

    @property
    def has_small_products(self) -> bool:
        """Whether its products are so small that converting numbers for them costs more than it saves."""
        return False


NAMED_WEIGHTS = ("auto", "pretrained", "imagenet", "own", "random")  # anything else is the path of a file
PRETRAINED = ("pretrained", "imagenet")  # two words for what `lab2 prepare` brings


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferConfig(ModelConfig):
    """Base of the configs whose network may begin with weights that were trained before."""

    if TYPE_CHECKING:
        # "auto": pre-trained weights where `lab2 prepare` put them, random ones elsewhere.
        # "pretrained", "random", or the path of a file: that, or an error.
        weights: str
        head_epochs: int  # pre-trained weights only: epochs of the head on frozen features
        feature_lr_scale: float  # pre-trained weights only: learning rate of the features over the head's

    @property
    def known_as(self) -> str:
        """The name that `lab2 prepare` brings its weights by; empty where it knows none."""
        return self.architecture

    def __post_init__(self) -> None:
        name = self.architecture
        require(bool(self.weights), f"{name}: weights is empty; give auto, pretrained, random or a path")
        require(self.head_epochs >= 0, f"{name}: head_epochs={self.head_epochs} is negative")
        require(
            0 <= self.feature_lr_scale <= 1,
            f"{name}: feature_lr_scale={self.feature_lr_scale} is not in [0, 1]",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PooledConfig(TransferConfig):
    """What VGG16 and AlexNet share: where their weights come from, and how large an image they see."""

    weights: str = "auto"
    image_side: int = 64  # pixels; images are resized to it inside the network
    dropout: float = 0.0
    head_epochs: int = 2
    feature_lr_scale: float = 0.1

    def __post_init__(self) -> None:
        TransferConfig.__post_init__(self)
        require(0 <= self.dropout < 1, f"{self.architecture}: dropout={self.dropout} is not in [0, 1)")
        require(self.weights != "own", f"{self.architecture}: weights=own is for a network of your own")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What a network, or weights, say of the images that they were made for. None: nothing is said."""

    image_side: int | None = None  # pixels
    mean: tuple[float, ...] | None = None  # of each channel, in [0, 1]
    std: tuple[float, ...] | None = None
    crop: float = 1.0  # side of the square in the middle that is seen, over the side that images are resized to


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
    # What the network of a config says itself of the images that it was made for: a `Record`.
    record: Callable[[Any], Record] = lambda _: Record()

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
