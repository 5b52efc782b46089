"""A linear layer over pooled features, which may be copies of one cell."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class PooledLinear(nn.Linear):
    """A linear layer over (B, D, P, P) pooled features, or over (B, D, 1, 1) standing for P x P copies.

    All copies of a cell get the same gradient, so only the sum of their weights matters. While the layer is
    folded that sum is the parameter: the same function, without reading and writing all copies at every step
    (for VGG16, 2 million weights instead of 103). The steps are not the same: a step of AdamW moves the sum
    by one learning rate, where it would move each copy by as much, and the sum by as many as there are copies.
    """

    folded: nn.Parameter | None  # (out, D)

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)
        self.register_parameter("folded", None)

    def forward(self, input: Tensor) -> Tensor:
        if input.shape[-2:] != (1, 1):
            return F.linear(input.flatten(1), self.weight, self.bias)
        folded = self._sum(input.shape[1]) if self.folded is None else self.folded
        return F.linear(input.flatten(1), folded, self.bias)

    def fold(self, depth: int) -> None:
        """Make the sums over the copies of `depth` features the parameter."""
        self.folded = nn.Parameter(self._sum(depth).detach().clone())
        self.weight.requires_grad_(False)

    @torch.no_grad()
    def unfold(self) -> None:
        """Move the weights of all copies alike by what their sum has moved."""
        assert self.folded is not None
        depth = self.folded.shape[1]
        moved = (self.folded - self._sum(depth)) * (depth / self.in_features)
        self.weight.view(self.out_features, depth, -1).add_(moved[:, :, None])
        self.weight.requires_grad_(True)
        self.folded = None

    def as_deployed(self, seen: torch.Size) -> nn.Module:
        """A linear layer over single cells, where the (B, D, P, P) `seen` are that."""
        if seen[-2:] != (1, 1):
            return self
        linear = nn.Linear(seen[1], self.out_features, device="meta")
        linear.weight, linear.bias = nn.Parameter(self._sum(seen[1]).detach()), self.bias
        return nn.Sequential(nn.Flatten(), linear)

    def _sum(self, depth: int) -> Tensor:
        return self.weight.view(self.out_features, depth, -1).sum(2)  # (out, D)
