"""The older name of a network that Python can import: plans and job files that have it keep their meaning."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from lab2.spec.architectures import Architecture, ModelConfig
from lab2.spec.checks import require, require_positive

if TYPE_CHECKING:
    from torch import nn

    from lab2.data.datasets import DataShape


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedConfig(ModelConfig):
    """Any classifier that Python can import, trained from random weights. `NetworkConfig` can do more."""

    code_field: ClassVar[str] = "network"

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
        if self.image_side is not None:
            require_positive("imported: image_side", self.image_side)


def build(config: ImportedConfig, shape: DataShape) -> nn.Module:
    """The network that `config` names. Raises `ConfigError` where it cannot be imported or called."""
    from lab2.models.building.libraries import UserCode, make

    return make(UserCode(config.network), config.options, shape, side=None, where=f"imported: network={config.network}")


ARCHITECTURE = Architecture(config=ImportedConfig, build=build, paper="that of the imported network", colours=True)
