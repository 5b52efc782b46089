"""Muon: an optimiser that updates the matrices of hidden layers with their orthogonalised momentum.

Source: Jordan et al. 2024 (kellerjordan.github.io/posts/muon). The scale of the update is that of Liu et al. 2025
(arXiv:2502.16982): with it AdamW's learning rates and weight decays can be used unchanged.
Differs: matrices of the same shape are orthogonalised together, in fp32. `torch.optim.Muon` does it one by one, which
takes three times as long for a ViT's small matrices (benchmarks/LOG.md). Several projections in one matrix (queries,
keys, values) are treated as one matrix.
Shapes: P matrices of M rows and N columns; each filter of a convolution is a row.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

_MOMENTUM = 0.95
_ITERATIONS = 5
_A, _B, _C = 3.4445, -4.7750, 2.0315  # coefficients of the quintic that maps singular values in (0, 1] to about 1
_RMS = 0.2  # the typical root mean square of an AdamW update, divided by its learning rate


class Muon(Optimizer):
    """Takes parameters of two or more dimensions; another optimiser has to take the others."""

    def __init__(self, parameter_groups: list[dict[str, Any]]) -> None:
        super().__init__(parameter_groups, {})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # noqa: ARG002  # torch's signature
        """Update all parameters that have a `grad`."""
        for group in self.param_groups:
            for parameters in _by_shape(p for p in group["params"] if p.grad is not None):
                gradients = [p.grad for p in parameters if p.grad is not None]
                averages = [self._average(p) for p in parameters]
                torch._foreach_lerp_(averages, gradients, 1 - _MOMENTUM)
                nesterov = torch._foreach_lerp(gradients, averages, _MOMENTUM)
                updates = orthogonalise(torch.stack(nesterov).flatten(2))  # (P, M, N)
                scale = -group["lr"] * _RMS * max(updates.shape[1:]) ** 0.5
                torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
                if isinstance(scale, Tensor):  # on a GPU: as a number it would be waited for
                    updates, scale = updates * scale, 1.0
                torch._foreach_add_(parameters, list(updates.view(-1, *parameters[0].shape)), alpha=scale)

    def _average(self, parameter: Tensor) -> Tensor:
        """The moving average of the parameter's gradients, zeros at first."""
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        average: Tensor = state["momentum"]
        return average


def orthogonalise(matrices: Tensor) -> Tensor:
    """(P, M, N) matrices with their singular values moved close to 1, by a Newton-Schulz iteration."""
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.transpose(1, 2) if tall else matrices
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(_ITERATIONS):
        square = x @ x.transpose(1, 2)
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=_B, alpha=_C), x, beta=_A)
    return x.transpose(1, 2) if tall else x


def _by_shape(parameters: Iterable[Tensor]) -> Iterable[list[Tensor]]:
    same_shape: dict[torch.Size, list[Tensor]] = {}
    for parameter in parameters:
        same_shape.setdefault(parameter.shape, []).append(parameter)
    return same_shape.values()
