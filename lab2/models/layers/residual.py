"""Residual connections.

Source: He et al. 2015 (arXiv:1512.03385).
Shapes: B images, C channels, S side (pixels).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Residual(nn.Module):
    """ReLU(body(x) + shortcut(x)): `body` learns what is to be added to `x`."""

    def __init__(self, body: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


class HalfSide(nn.Module):
    """(B, C, S, S) to (B, C + more, S/2, S/2) without a parameter: each second place, and zeros for further channels.

    Half of the zeros stand before the channels and half behind, as in "option A" of the paper's section 4.2.
    """

    def __init__(self, more: int) -> None:
        super().__init__()
        self.more = more

    def forward(self, x: Tensor) -> Tensor:
        before = self.more // 2
        return F.pad(x[..., ::2, ::2], (0, 0, 0, 0, before, self.more - before))
