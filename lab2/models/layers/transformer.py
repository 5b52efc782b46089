"""Tokens and attention.

Source: Dosovitskiy et al. 2021 (arXiv:2010.11929); positions: sines and cosines (Vaswani et al. 2017, arXiv:1706.03762)
over rows and columns.
Differs: two ways to compute the same function in less time (benchmarks/LOG.md). A block computes only the tokens
that are read; and what a layer norm multiplies and adds is done to the weights behind it, which are few, not to the
tokens.
Shapes: B images, C channels, S side, P patch side (pixels), N = (S/P)^2 patches, T = 1 + N tokens, Q queries, D width,
H heads.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Tokens(nn.Module):
    """(B, C, S, S) images to (B, T, D) tokens: a class token first, then the patches with their positions."""

    positions: Tensor

    def __init__(self, channels: int, side: int, patch_size: int, dim: int) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.embed = nn.Linear(channels * patch_size**2, dim)
        self.class_token = nn.Parameter(0.02 * torch.randn(dim))
        self.register_buffer("positions", sinusoids(side // patch_size, dim), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        x = self.embed(patches(images, self.patch_size))  # (B, N, D)
        token = self.class_token.expand(x.shape[0], 1, -1)
        return torch.cat([token, x + self.positions], 1)


class FirstToken(nn.Module):
    """(B, T, D) tokens to the first one's (B, D)."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, 0]


class Block(nn.Module):
    """Attention and an MLP, each behind a layer norm and around a residual connection."""

    def __init__(self, dim: int, num_heads: int, mlp_ratio: int, *, queries: int | None = None) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.queries = queries
        self.norm1 = nn.LayerNorm(dim)
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(dim, 2 * dim)
        self.out = nn.Linear(dim, dim)
        self.norm2 = nn.LayerNorm(dim)
        self.expand = nn.Linear(dim, mlp_ratio * dim)
        self.contract = nn.Linear(mlp_ratio * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) tokens to (B, Q, D): the first `queries` of them, or all; each attends to all."""
        x = x[:, : self.queries] + self.attend(standardise(x))
        out: Tensor = x + self.contract(F.gelu(behind(self.norm2, self.expand, standardise(x))))
        return out

    def as_deployed(self, _seen: torch.Size) -> nn.Module:
        """The block with its norms' gains and biases in the linear maps behind them."""
        block = copy.deepcopy(self)
        behind_each = ((block.norm1, (block.query, block.key_value)), (block.norm2, (block.expand,)))
        for norm, linears in behind_each:
            for linear in linears:
                weight, bias = folded(norm, linear)
                linear.weight, linear.bias = nn.Parameter(weight.detach()), nn.Parameter(bias.detach())
            norm.register_parameter("weight", None)
            norm.register_parameter("bias", None)
        return block

    def attend(self, x: Tensor) -> Tensor:
        """Softmax(Q K^T / sqrt(D/H)) V of standardised tokens for all heads, as products that a FLOP counter sees."""
        batch, tokens, dim = x.shape
        heads = self.num_heads
        q = behind(self.norm1, self.query, x[:, : self.queries]).view(batch, -1, heads, dim // heads).transpose(1, 2)
        kv = behind(self.norm1, self.key_value, x).view(batch, tokens, 2, heads, dim // heads)
        k, v = kv.permute(2, 0, 3, 1, 4)  # (B, H, T, D/H)
        scores = (q * (dim // heads) ** -0.5) @ k.transpose(2, 3)  # (B, H, Q, T)
        mixed = scores.softmax(3) @ v  # (B, H, Q, D/H)
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return out


def standardise(x: Tensor) -> Tensor:
    """(..., D) tokens, each with mean 0 and variance 1: a layer norm before its gain and bias."""
    return F.layer_norm(x, x.shape[-1:])


def behind(norm: nn.LayerNorm, linear: nn.Linear, standardised: Tensor) -> Tensor:
    """`linear(norm(x))` of `standardise(x)`."""
    return F.linear(standardised, *((linear.weight, linear.bias) if norm.weight is None else folded(norm, linear)))


def folded(norm: nn.LayerNorm, linear: nn.Linear) -> tuple[Tensor, Tensor]:
    """Weight and bias of `linear` with the gain and bias of the `norm` before it in them."""
    return linear.weight * norm.weight, linear.bias + linear.weight @ norm.bias


def patches(images: Tensor, size: int) -> Tensor:
    """(B, C, S, S) images as (B, N, C size^2) flattened patches, row by row."""
    batch, channels, side, _ = images.shape
    across = side // size
    x = images.reshape(batch, channels, across, size, across, size)
    return x.permute(0, 2, 4, 1, 3, 5).reshape(batch, across * across, -1)


def sinusoids(across: int, dim: int) -> Tensor:
    """(across^2, dim) positions: half of the width tells the row, half the column, as sines and cosines."""
    half = dim // 2
    pairs = (half + 1) // 2
    rates = 10_000.0 ** (-torch.arange(pairs) / pairs)  # radians a patch
    angles = torch.arange(across)[:, None] * rates  # (across, pairs)
    line = torch.cat([angles.sin(), angles.cos()], 1)[:, :half]  # (across, half)
    rows = line[:, None].expand(across, across, half)
    columns = line[None].expand(across, across, half)
    return torch.cat([rows, columns], 2).flatten(0, 1)
