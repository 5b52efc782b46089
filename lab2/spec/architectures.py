"""The base of all architecture configs, and the search for architectures.

An architecture is one file in `lab2/models/` that defines `ARCHITECTURE`: its config, a function that builds its
network, and its paper. The files are found by listing that folder, so no other file has to name them. They import
torch only when they build a network, so that a login node without torch can read every config.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Union

from pydantic import Field

from lab2.errors import ConfigError
from lab2.spec.checks import require, require_positive

if TYPE_CHECKING:
    from torch import nn

LIBRARIES = ("torchvision", "timm")  # of networks that lab2 knows: "torchvision:NAME"
_MODELS = "lab2.models"  # imported by name when needed: an import above would be circular


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """Base of the configs. A config has no channels and no number of classes: those come from the data.

    Each has a field `architecture: Literal[name] = name`, by which a plan identifies its class.
    """

    detects: ClassVar[bool] = False  # a detector: trained on boxes, real or of composed scenes
    # A baseline: fitted to all images in one step, not trained in many. It draws nothing by seed and has no recipe.
    fitted: ClassVar[bool] = False
    trained_elsewhere: ClassVar[bool] = False  # `lab2 import` brought its predictions; it cannot be trained here
    settled: ClassVar[bool] = False  # its kernels were measured once (benchmarks/LOG.md), not before each training
    code_field: ClassVar[str] = ""  # the field that names what is imported, where the network is not lab2's own

    if TYPE_CHECKING:
        architecture: str

    @property
    def code(self) -> str:
        """What is imported: "package.module:name" or "path/to/file.py:name"; empty where the network is lab2's own."""
        return str(getattr(self, self.code_field)) if self.code_field else ""

    @property
    def is_users_code(self) -> bool:
        """Whether the network is neither lab2's own nor of torchvision or timm."""
        return bool(self.code) and self.code.partition(":")[0] not in LIBRARIES

    @property
    def decoded_side(self) -> int | None:
        """The side (pixels) at which pictures are decoded for it where nobody states one; None: as the data are."""
        return None

    @property
    def has_small_products(self) -> bool:
        """Whether its matrix products are so small that converting to a lower precision costs more than it saves."""
        return False


NAMED_WEIGHTS = ("auto", "pretrained", "imagenet", "own", "random")  # anything else is the path of a file
PRETRAINED = ("pretrained", "imagenet")  # two words for what `lab2 prepare` brings


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferConfig(ModelConfig):
    """Base of the configs whose network may begin with pre-trained weights."""

    if TYPE_CHECKING:
        weights: str
        head_epochs: int
        feature_lr_scale: float

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
    """What VGG16 and AlexNet share: the origin of their weights, the size of their images, and fine-tuning."""

    # "auto": ImageNet's weights where `lab2 prepare` has stored them, otherwise random ones.
    # "imagenet", "random" or the path of a lab2 checkpoint: exactly that, or an error.
    weights: str = "auto"
    image_side: int = 64  # pixels; images are resized to it inside the network
    dropout: float = 0.0  # share of the classifier's units, [0, 1)
    head_epochs: int = 2  # pre-trained weights only: epochs of the classifier on frozen features
    feature_lr_scale: float = 0.1  # pre-trained weights only: learning rate of the features over the classifier's

    def __post_init__(self) -> None:
        TransferConfig.__post_init__(self)
        require(0 <= self.dropout < 1, f"{self.architecture}: dropout={self.dropout} is not in [0, 1)")
        require(self.weights != "own", f"{self.architecture}: weights=own is for a network of your own")


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelsConfig(ModelConfig):
    """Base of the baselines that compare pixels: how much of the images they see."""

    fitted: ClassVar[bool] = True
    settled: ClassVar[bool] = True

    averaged_side: int = 32  # pixels; larger images are brought to it by the mean of each cell's pixels
    most_images: int = 60_000  # training images; of more, so many are drawn, each class in its share, always the same

    def __post_init__(self) -> None:
        for name in ("averaged_side", "most_images"):
            require_positive(f"{self.architecture}: {name}", getattr(self, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The images for which a network or its weights were made, as they state it. None: not stated."""

    image_side: int | None = None  # pixels
    mean: tuple[float, ...] | None = None  # of each channel, in [0, 1]
    std: tuple[float, ...] | None = None
    crop: float = 1.0  # side of the square in the middle that is seen, over the side that images are resized to


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
    # Takes a config; returns what its network states of the images for which it was made.
    record: Callable[[Any], Record] = lambda _: Record()

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
