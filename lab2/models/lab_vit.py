"""The Vision Transformer of the lab that lab2 re-does, as it was: a control, not a recommendation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from lab2.errors import ConfigError
from lab2.spec.architectures import Architecture, ModelConfig
from lab2.spec.checks import require, require_positive

if TYPE_CHECKING:
    from torch import nn

    from lab2.data.datasets import DataShape


@dataclass(frozen=True, slots=True, kw_only=True)
class LabViTConfig(ModelConfig):
    """The lab's network: 1,642 parameters, and probabilities where its loss wants logits."""

    settled: ClassVar[bool] = True

    architecture: Literal["lab_vit"] = "lab_vit"
    patch_size: int = 4  # pixels; must divide the image side
    dim: int = 8  # width of a token
    depth: int = 2  # blocks
    num_heads: int = 2  # heads of attention; must divide dim
    mlp_ratio: int = 4  # hidden width of the MLP over dim
    # A softmax at the end, as the lab has it: the loss applies another one to its output. False: logits, as usual.
    ends_in_softmax: bool = True

    def __post_init__(self) -> None:
        for name in ("patch_size", "dim", "depth", "num_heads", "mlp_ratio"):
            require_positive(f"lab_vit: {name}", getattr(self, name))
        require(
            self.dim % self.num_heads == 0, f"lab_vit: dim={self.dim} is not divisible by num_heads={self.num_heads}"
        )

    @property
    def has_small_products(self) -> bool:
        return True


def build(config: LabViTConfig, shape: DataShape) -> nn.Module:
    """(B, C, S, S) images to (B, K). Raises `ConfigError` where patches do not divide the side."""
    from torch import nn

    from lab2.models.layers.lab_transformer import LabBlock, LabTokens
    from lab2.models.layers.transformer import FirstToken

    if shape.side % config.patch_size:
        raise ConfigError(
            f"lab_vit: images of {shape.side} pixels are not divisible into patches of "
            f"model.patch_size={config.patch_size}"
        )
    return nn.Sequential(
        LabTokens(shape.channels, shape.side, config.patch_size, config.dim),  # (B, 1 + N, D)
        *(LabBlock(config.dim, config.num_heads, config.mlp_ratio) for _ in range(config.depth)),
        FirstToken(),  # (B, D)
        nn.Linear(config.dim, len(shape.classes)),
        nn.Softmax(1) if config.ends_in_softmax else nn.Identity(),
    )


ARCHITECTURE = Architecture(
    config=LabViTConfig,
    build=build,
    paper="after Dosovitskiy et al. 2021 (arXiv:2010.11929)",
    differs="width 8; a map of its own for each head, none behind them; no last layer norm; a softmax before the loss",
    parameters=1_642,
)
