"""Optimisers, the one-cycle schedule, and the scale of losses in fp16."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, assert_never

import torch
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR
from torch.profiler import record_function

from lab2.spec.job import TrainConfig
from lab2.train.muon import Muon

ADAMW_BETAS = (0.9, 0.98)
MAX_GRADIENT_NORM = 1.0  # one bad batch must not undo an epoch: VGG16 and AlexNet have no normalisation

Group = dict[str, Any]


def groups(what: nn.Module | Iterable[nn.Parameter], config: TrainConfig, scale: float = 1.0) -> list[Group]:
    """The trainable parameters of a module, or of those, their learning rates at `scale` times the recipe's.

    Biases, gains and tokens do not decay.
    """
    rate = config.learning_rate * scale
    made: dict[float, list[nn.Parameter]] = {}
    for parameter in what.parameters() if isinstance(what, nn.Module) else what:
        if parameter.requires_grad:
            decay = config.weight_decay if is_matrix(parameter) else 0.0
            made.setdefault(decay, []).append(parameter)
    return [
        {"params": parameters, "lr": rate, "max_lr": rate, "weight_decay": decay} for decay, parameters in made.items()
    ]


def is_matrix(parameter: nn.Parameter) -> bool:
    """Whether it maps many numbers to many: a layer's weights, not a bias, a gain, a token or positions (1, T, D)."""
    return parameter.ndim > 1 and len(parameter) > 1


@torch.no_grad()
def outer_layers(model: nn.Module, images: Tensor) -> set[nn.Parameter]:
    """The matrices of the first and of the last layer that run when `model`, in evaluation, sees `images`.

    The order of running counts, not that of definition: a network may define its head first. Layers whose weights
    another module uses do not run themselves, and are taken for hidden ones.
    """
    ran: list[nn.Module] = []
    hooks = [
        layer.register_forward_pre_hook(lambda layer, _: ran.append(layer))
        for layer in model.modules()
        if any(is_matrix(p) for p in layer.parameters(recurse=False))
    ]
    was_training = model.training
    try:
        model.eval()(images)
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    return {p for layer in (*ran[:1], *ran[-1:]) for p in layer.parameters(recurse=False) if is_matrix(p)}


class OneCycle:
    """Optimisers whose learning rates rise to their peaks and fall to nothing within `steps`.

    Source: Smith and Topin 2018 (arXiv:1708.07120); for fp16's losses Micikevicius et al. 2018 (arXiv:1710.03740).
    Gradients keep their buffers between steps: giving them back costs a large network more than the backward pass (see
    `launch/environment.py`).
    """

    def __init__(
        self,
        parameter_groups: list[Group],
        config: TrainConfig,
        steps: int,
        *,
        precision: str = "fp32",
        outer: Collection[nn.Parameter] = (),
    ) -> None:
        """`outer` are the parameters that Muon leaves to AdamW: those of `outer_layers`."""
        self.parameters = [p for group in parameter_groups for p in group["params"]]
        self.optimizers = list(_optimizers(parameter_groups, config, outer))
        self.scaler = GradScaler(self.parameters[0].device.type, enabled=precision == "fp16")
        self.skipped = False  # whether the last step was left out, as fp16 sometimes asks for
        total = max(steps, 2)
        self.schedules: list[LRScheduler] = [
            OneCycleLR(
                optimizer,
                max_lr=[group["max_lr"] for group in optimizer.param_groups],
                total_steps=total,
                # A rise of exactly one step is none: OneCycleLR divides by the steps of the rise less one.
                pct_start=0.0 if math.isclose(config.warmup * total, 1) else config.warmup,
                cycle_momentum=False,
                final_div_factor=1e3,
            )
            for optimizer in self.optimizers
        ]

    def step(self, loss: Tensor) -> Tensor:
        """Backward, clip, move, and leave zeros behind; returns the gradient's norm before it was clipped, a scalar.

        In fp16 gradients are those of the loss times a scale, so that small ones do not vanish. Where they overflow,
        the norm is not finite, nothing moves, and the scale is halved for the next step; to know that, fp16 waits for
        the accelerator. `skipped` is true as long as the scale is to blame: below 1 it is the gradient itself.
        """
        with record_function("backward"):
            self.scaler.scale(loss).backward()
        with record_function("optimizer"):
            for optimizer in self.optimizers:
                self.scaler.unscale_(optimizer)
            norm = nn.utils.clip_grad_norm_(self.parameters, MAX_GRADIENT_NORM)
            overflown = self.scaler.is_enabled() and not bool(norm.isfinite())
            self.skipped = overflown and self.scaler.get_scale() >= 1
            for optimizer, schedule in zip(self.optimizers, self.schedules, strict=True):
                if not overflown:
                    optimizer.step()
                    schedule.step()
                optimizer.zero_grad(set_to_none=False)
            self.scaler.update()
        return norm

    def state(self) -> dict[str, Any]:
        """To be taken between two steps."""
        return {
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "schedules": [schedule.state_dict() for schedule in self.schedules],
            "scaler": self.scaler.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from where `state` was taken, with the zeros that a step leaves behind."""
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        for schedule, saved in zip(self.schedules, state["schedules"], strict=True):
            schedule.load_state_dict(saved)
        self.scaler.load_state_dict(state["scaler"])
        for parameter in self.parameters:
            parameter.grad = torch.zeros_like(parameter)


def _optimizers(
    parameter_groups: list[Group], config: TrainConfig, outer: Collection[nn.Parameter]
) -> Iterator[Optimizer]:
    """Who moves what: one optimiser everything, or Muon the hidden layers' matrices and AdamW the rest."""
    parameters = [p for group in parameter_groups for p in group["params"]]
    fused = _has_fused(parameters)
    match config.optimizer:
        case "adamw":
            yield AdamW(parameter_groups, betas=ADAMW_BETAS, fused=fused)
        case "sgd":
            yield SGD(parameter_groups, lr=config.learning_rate, momentum=0.9, nesterov=True, fused=fused)
        case "muon":
            hidden = set(filter(is_matrix, parameters)).difference(outer)
            if hidden:
                yield Muon(_only(parameter_groups, lambda p: p in hidden))
            yield AdamW(_only(parameter_groups, lambda p: p not in hidden), betas=ADAMW_BETAS, fused=fused)
        case _:
            assert_never(config.optimizer)


def _only(parameter_groups: list[Group], wanted: Callable[[nn.Parameter], bool]) -> list[Group]:
    kept = [{**group, "params": [p for p in group["params"] if wanted(p)]} for group in parameter_groups]
    return [group for group in kept if group["params"]]


def _has_fused(parameters: Iterable[nn.Parameter]) -> bool:
    return all(p.device.type in ("cpu", "cuda", "mps") and torch.is_floating_point(p) for p in parameters)
