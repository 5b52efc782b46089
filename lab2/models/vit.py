"""Vision Transformer, written out rather than imported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from lab2.errors import ConfigError
from lab2.spec.architectures import Architecture, ModelConfig
from lab2.spec.checks import require

if TYPE_CHECKING:
    from torch import nn

    from lab2.data.datasets import DataShape

_WIDE = 128  # width from which the products, not their launches, take the time


@dataclass(frozen=True, slots=True, kw_only=True)
class ViTConfig(ModelConfig):
    """Vision Transformer (arXiv:2010.11929), shrunk to small images."""

    settled: ClassVar[bool] = True

    architecture: Literal["vit"] = "vit"
    patch_size: int = 4  # pixels; must divide the image side
    dim: int = 20  # width of a token; even
    depth: int = 2  # blocks
    num_heads: int = 2  # heads of attention; must divide dim
    mlp_ratio: int = 4  # hidden width of the MLP over dim

    def __post_init__(self) -> None:
        require(self.patch_size > 0, f"vit: patch_size={self.patch_size} must be positive")
        require(
            min(self.dim, self.depth, self.num_heads, self.mlp_ratio) > 0,
            f"vit: dim={self.dim}, depth={self.depth}, num_heads={self.num_heads} and "
            f"mlp_ratio={self.mlp_ratio} must be positive",
        )
        require(
            self.dim % self.num_heads == 0,
            f"vit: dim={self.dim} is not divisible by num_heads={self.num_heads}",
        )
        require(self.dim % 2 == 0, f"vit: dim={self.dim} must be even (a sine and a cosine each)")

    @property
    def has_small_products(self) -> bool:
        return self.dim < _WIDE


def build(config: ViTConfig, shape: DataShape) -> nn.Module:
    """(B, C, S, S) normalised images to (B, K) logits. Raises `ConfigError` where patches do not divide the side."""
    from torch import nn

    from lab2.models.layers.transformer import Block, FirstToken, Tokens

    if shape.side % config.patch_size:
        raise ConfigError(
            f"vit: images of {shape.side} pixels are not divisible into patches of model.patch_size={config.patch_size}"
        )
    dim, block = config.dim, (config.dim, config.num_heads, config.mlp_ratio)
    return nn.Sequential(
        Tokens(shape.channels, shape.side, config.patch_size, dim),  # (B, 1 + N, D)
        *(Block(*block) for _ in range(config.depth - 1)),
        Block(*block, queries=1),  # (B, 1, D): the head reads the class token and nothing else
        FirstToken(),  # (B, D)
        nn.LayerNorm(dim),
        nn.Linear(dim, len(shape.classes)),  # (B, K) logits, never probabilities
    )


ARCHITECTURE = Architecture(
    config=ViTConfig,
    build=build,
    paper="Dosovitskiy et al. 2021 (arXiv:2010.11929)",
    differs="fixed sinusoidal positions over rows and columns; small images; no dropout",
    parameters=10_730,
)
