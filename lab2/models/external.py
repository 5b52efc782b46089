"""A network that was trained elsewhere: lab2 knows its answers on test images (`lab2 import`) and no more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from lab2.errors import ConfigError
from lab2.foreign_text import keep_visible
from lab2.spec.architectures import Architecture, ModelConfig

if TYPE_CHECKING:
    from torch import nn

    from lab2.data.datasets import DataShape


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalConfig(ModelConfig):
    """Trained elsewhere; its predictions were imported. It cannot be trained here."""

    trained_elsewhere: ClassVar[bool] = True

    architecture: Literal["external"] = "external"
    name: str  # the architecture, as the imported file calls it
    answers: str  # SHA-256 over the predictions of all its seeds: other predictions are another configuration

    def __post_init__(self) -> None:
        keep_visible(self)


def build(config: ExternalConfig, _shape: DataShape) -> nn.Module:
    """Raises `ConfigError`: there is no network to build."""
    raise ConfigError(
        f"external: {config.name!r} was trained elsewhere and cannot be trained here; lab2 import reads its predictions"
    )


ARCHITECTURE = Architecture(config=ExternalConfig, build=build, paper="that of whoever trained it")
