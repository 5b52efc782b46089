"""Tokens and blocks of the lab's ViT.

Source: Dosovitskiy et al. 2021 (arXiv:2010.11929).
Differs: each head maps its own part of a token, (D/H) to (D/H), for queries, keys and values, and nothing mixes the
heads behind the attention; positions are sines and cosines of a token's place in the sequence, also of the class
token's. The heads are computed together.
Shapes: B images, N patches, T = 1 + N tokens, D width, H heads, E = D/H.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lab2.models.layers.transformer import patches


class LabTokens(nn.Module):
    """(B, C, S, S) images to (B, T, D) tokens: a class token first, then the patches, all with their positions."""

    positions: Tensor

    def __init__(self, channels: int, side: int, patch_size: int, dim: int) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.embed = nn.Linear(channels * patch_size**2, dim)
        self.class_token = nn.Parameter(torch.rand(dim))
        self.register_buffer("positions", positions(1 + (side // patch_size) ** 2, dim), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        x = self.embed(patches(images, self.patch_size))  # (B, N, D)
        return torch.cat([self.class_token.expand(len(x), 1, -1), x], 1) + self.positions


class LabBlock(nn.Module):
    """Attention and an MLP, each behind a layer norm and around a residual connection."""

    def __init__(self, dim: int, num_heads: int, mlp_ratio: int) -> None:
        super().__init__()
        part = dim // num_heads
        bound = part**-0.5  # as nn.Linear draws them
        self.norm1 = nn.LayerNorm(dim)
        self.weight = nn.Parameter(torch.empty(3, num_heads, part, part).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(3, num_heads, 1, part).uniform_(-bound, bound))
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, mlp_ratio * dim), nn.GELU(), nn.Linear(mlp_ratio * dim, dim))

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) tokens to (B, T, D)."""
        x = x + self.attend(self.norm1(x))
        out: Tensor = x + self.mlp(self.norm2(x))
        return out

    def attend(self, x: Tensor) -> Tensor:
        """Softmax(Q K^T / sqrt(E)) V of each head, one behind the other."""
        heads, part = self.weight.shape[1:3]
        parts = x.unflatten(2, (heads, part)).transpose(1, 2)  # (B, H, T, E)
        q, k, v = (parts @ weight + bias for weight, bias in zip(self.weight, self.bias, strict=True))
        mixed = ((q * part**-0.5) @ k.transpose(2, 3)).softmax(3) @ v  # (B, H, T, E)
        out: Tensor = mixed.transpose(1, 2).flatten(2)
        return out


def positions(tokens: int, dim: int) -> Tensor:
    """(T, D): sines at even places of the width, cosines at odd ones (Vaswani et al. 2017, arXiv:1706.03762)."""
    place = torch.arange(dim)
    rates = 10_000.0 ** (-(place - place % 2) / dim)  # radians a token
    angles = torch.arange(tokens)[:, None] * rates
    found: Tensor = torch.where(place % 2 == 0, angles.sin(), angles.cos())
    return found
