"""Optimisers and the one-cycle schedule."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR
from torch.profiler import record_function

from lab2.spec.job import TrainConfig

MAX_GRADIENT_NORM = 1.0  # one bad batch must not undo an epoch: VGG16 and AlexNet have no normalisation

Group = dict[str, Any]


def groups(module: nn.Module, config: TrainConfig, scale: float = 1.0) -> list[Group]:
    """The trainable parameters of `module`, their learning rates at `scale` times the recipe's.

    Biases, gains and tokens do not decay.
    """
    rate = config.learning_rate * scale
    made: dict[float, list[nn.Parameter]] = {}
    for parameter in module.parameters():
        if parameter.requires_grad:
            decay = config.weight_decay if parameter.ndim > 1 else 0.0
            made.setdefault(decay, []).append(parameter)
    return [
        {"params": parameters, "lr": rate, "max_lr": rate, "weight_decay": decay} for decay, parameters in made.items()
    ]


class OneCycle:
    """An optimiser whose learning rate rises to its peak and falls to nothing within `steps`.

    Source: Smith and Topin 2018 (arXiv:1708.07120). Gradients keep their buffers between steps: giving
    them back costs a large network more than the backward pass (see `launch/environment.py`).
    """

    def __init__(self, parameter_groups: list[Group], config: TrainConfig, steps: int) -> None:
        peaks = [group["max_lr"] for group in parameter_groups]
        self.parameters = [p for group in parameter_groups for p in group["params"]]
        fused = _has_fused(self.parameters)
        self.optimizer: Optimizer
        match config.optimizer:
            case "adamw":
                self.optimizer = AdamW(parameter_groups, betas=(0.9, 0.98), fused=fused)
            case "sgd":
                self.optimizer = SGD(
                    parameter_groups, lr=config.learning_rate, momentum=0.9, nesterov=True, fused=fused
                )
        total = max(steps, 2)
        self.schedule: LRScheduler = OneCycleLR(
            self.optimizer,
            max_lr=peaks,
            total_steps=total,
            # A rise of exactly one step is none: OneCycleLR divides by the steps of the rise less one.
            pct_start=0.0 if math.isclose(config.warmup * total, 1) else config.warmup,
            cycle_momentum=False,
            final_div_factor=1e3,
        )

    def step(self, loss: Tensor) -> None:
        """Backward, clip, move, and leave zeros behind."""
        with record_function("backward"):
            loss.backward()
        with record_function("optimizer"):
            nn.utils.clip_grad_norm_(self.parameters, MAX_GRADIENT_NORM)
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=False)
            self.schedule.step()

    def state(self) -> dict[str, Any]:
        """To be taken between two steps."""
        return {"optimizer": self.optimizer.state_dict(), "schedule": self.schedule.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from where `state` was taken, with the zeros that a step leaves behind."""
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        for parameter in self.parameters:
            parameter.grad = torch.zeros_like(parameter)


def _has_fused(parameters: Iterable[nn.Parameter]) -> bool:
    return all(p.device.type in ("cpu", "cuda", "mps") and torch.is_floating_point(p) for p in parameters)
