"""Muon: the hidden layers' matrices move by an orthogonalised momentum.

Source: Jordan et al. 2024 (kellerjordan.github.io/posts/muon); the scale is that of Liu et al. 2025 (arXiv:2502.16982),
with which AdamW's learning rates and weight decays serve as they are.
Differs: matrices of one shape are orthogonalised together, in fp32; `torch.optim.Muon` takes them one by one, at three
times the price for a ViT's small ones (benchmarks/LOG.md). Several projections in one matrix stay one.
Shapes: P matrices of M rows and N columns; a convolution's filters count as rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

_MOMENTUM = 0.95
_ITERATIONS = 5
_A, _B, _C = 3.4445, -4.7750, 2.0315  # of the quintic that takes singular values from (0, 1] to about 1
_RMS = 0.2  # of a step of AdamW's, over its learning rate


class Muon(Optimizer):
    """For parameters of two dimensions and more; those of one belong to another optimiser."""

    def __init__(self, parameter_groups: list[dict[str, Any]]) -> None:
        super().__init__(parameter_groups, {})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # noqa: ARG002  # torch's signature
        """Move the parameters by what their `grad` says."""
        for group in self.param_groups:
            for alike in _by_shape(p for p in group["params"] if p.grad is not None):
                gradients = [p.grad for p in alike if p.grad is not None]
                averages = [self._average(p) for p in alike]
                torch._foreach_lerp_(averages, gradients, 1 - _MOMENTUM)
                looked_ahead = torch._foreach_lerp(gradients, averages, _MOMENTUM)  # Nesterov's
                steps = orthogonalise(torch.stack(looked_ahead).flatten(2))  # (P, M, N)
                scale = -group["lr"] * _RMS * max(steps.shape[1:]) ** 0.5
                torch._foreach_mul_(alike, 1 - group["lr"] * group["weight_decay"])
                torch._foreach_add_(alike, list(steps.view(-1, *alike[0].shape)), alpha=scale)

    def _average(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        average: Tensor = state["momentum"]
        return average


def orthogonalise(matrices: Tensor) -> Tensor:
    """(P, M, N) matrices, each with its singular values brought near 1 (Newton and Schulz's iteration)."""
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.transpose(1, 2) if tall else matrices
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(_ITERATIONS):
        square = x @ x.transpose(1, 2)
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=_B, alpha=_C), x, beta=_A)
    return x.transpose(1, 2) if tall else x


def _by_shape(parameters: Iterable[Tensor]) -> Iterable[list[Tensor]]:
    alike: dict[torch.Size, list[Tensor]] = {}
    for parameter in parameters:
        alike.setdefault(parameter.shape, []).append(parameter)
    return alike.values()
