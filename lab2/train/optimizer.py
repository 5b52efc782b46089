"""Optimisers, the one-cycle schedule of the learning rate, and loss scaling for fp16."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, assert_never

import torch
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import ConstantLR, LRScheduler, OneCycleLR
from torch.profiler import record_function

from lab2.spec.job import TrainConfig
from lab2.train.muon import Muon

ADAMW_BETAS = (0.9, 0.98)
MAX_GRADIENT_NORM = 1.0  # clipped, because VGG16 and AlexNet have no normalisation: one batch could undo an epoch

Group = dict[str, Any]


def groups(what: nn.Module | Iterable[nn.Parameter], config: TrainConfig, scale: float = 1.0) -> list[Group]:
    """Parameter groups of the trainable parameters of a module, or among those given.

    Their learning rate is `scale` times the recipe's. Only matrices have weight decay; biases, gains and tokens have
    none.
    """
    rate = config.learning_rate * scale
    by_decay: dict[float, list[nn.Parameter]] = {}
    for parameter in what.parameters() if isinstance(what, nn.Module) else what:
        if parameter.requires_grad:
            decay = config.weight_decay if is_matrix(parameter) else 0.0
            by_decay.setdefault(decay, []).append(parameter)
    return [
        {"params": parameters, "lr": rate, "max_lr": rate, "weight_decay": decay}
        for decay, parameters in by_decay.items()
    ]


def is_matrix(parameter: nn.Parameter) -> bool:
    """Whether it is the weight matrix of a layer, and not a bias, a gain, a token or positions of shape (1, T, D)."""
    return parameter.ndim > 1 and len(parameter) > 1


@torch.no_grad()
def outer_layers(model: nn.Module, images: Tensor) -> set[nn.Parameter]:
    """The matrices of the first and of the last layer that run in a forward pass of `model` on `images`.

    The order of execution counts, not the order of definition: a network may define its head first. The forward pass
    is in evaluation mode. A layer that never runs itself, because another module uses its weights, counts as hidden.
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
    """Optimisers whose learning rates rise to their peaks and fall to about 0 within `steps`, or stay where they are.

    Source: Smith and Topin 2018 (arXiv:1708.07120); for loss scaling in fp16 Micikevicius et al. 2018
    (arXiv:1710.03740). On a CPU gradients are set to zero and not to None after a step, so that their memory is kept:
    for a large network, giving it back and paging it in again takes longer than the backward pass
    (`launch/environment.py`). On a GPU learning rates are tensors, so that a graph can read them.
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
        """`outer` are the parameters of `outer_layers`: with Muon, AdamW takes them."""
        self.parameters = [p for group in parameter_groups for p in group["params"]]
        self.device = self.parameters[0].device
        self.optimizers = list(_optimizers(parameter_groups, config, outer))
        self._make_capturable()
        self.scaler = GradScaler(self.device.type, enabled=precision == "fp16")
        self.overflowed = False  # whether the last step's scaled gradients did, in fp16: it updated nothing
        self.skipped = False
        self.total = max(steps, 2)
        self.pace = 1.0  # by how many of the schedule's steps one step moves on
        self.schedules = [_schedule(optimizer, config, self.total) for optimizer in self.optimizers]

    def update(self, loss: Tensor) -> Tensor:
        """Backward pass, clipping, update, gradients set to zero; returns the norm before clipping, a scalar tensor.

        In fp16 the loss is multiplied by a scale, so that small gradients do not become 0. If the scaled gradients
        overflow, the norm is not finite, nothing is updated, and the scale is halved for the next step. Checking this
        makes fp16 wait for the accelerator. `skipped` says whether the scale caused the overflow: with a scale below 1
        the gradient itself is not finite, and the training has diverged.
        """
        with record_function("backward"):
            self.scaler.scale(loss).backward()
        with record_function("optimizer"):
            for optimizer in self.optimizers:
                self.scaler.unscale_(optimizer)
            norm = nn.utils.clip_grad_norm_(self.parameters, MAX_GRADIENT_NORM)
            self.overflowed = self.scaler.is_enabled() and not bool(norm.isfinite())
            self.skipped = self.overflowed and self.scaler.get_scale() >= 1
            for optimizer in self.optimizers:
                if not self.overflowed:
                    optimizer.step()
                optimizer.zero_grad(set_to_none=self.device.type != "cpu")
            self.scaler.update()
        return norm

    def advance(self) -> None:
        """Set the learning rates of the next step."""
        if self.overflowed:
            return
        for schedule in self.schedules:
            if self.pace != 1:
                # The schedule is a formula, which takes parts of a step, too.
                schedule.last_epoch = min(schedule.last_epoch + self.pace, self.total) - 1  # type: ignore[assignment]
            schedule.step()

    def end_in(self, steps: int) -> None:
        """Let the schedule end after so many more steps, from the learning rate that it has reached."""
        self.pace = max(0.0, self.total - self.schedules[0].last_epoch) / steps

    def state(self) -> dict[str, Any]:
        """The state of optimisers, schedules and loss scaling. Call it between two steps."""
        return {
            "pace": self.pace,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "schedules": [schedule.state_dict() for schedule in self.schedules],
            "scaler": self.scaler.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from `state`. Gradients are set to zero, as they are after a step."""
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self._make_capturable()
        for schedule, saved in zip(self.schedules, state["schedules"], strict=True):
            schedule.load_state_dict(saved)
        self.scaler.load_state_dict(state["scaler"])
        self.pace = state["pace"]
        if self.device.type == "cpu":
            for parameter in self.parameters:
                parameter.grad = torch.zeros_like(parameter)

    def _make_capturable(self) -> None:
        """On a GPU, let each group's learning rate be a tensor there, which schedules overwrite in place."""
        if self.device.type == "cuda":
            for group in (group for optimizer in self.optimizers for group in optimizer.param_groups):
                group["lr"] = torch.as_tensor(group["lr"], dtype=torch.float32, device=self.device)
                group["capturable"] = True


def _schedule(optimizer: Optimizer, config: TrainConfig, steps: int) -> LRScheduler:
    if config.schedule == "constant":
        return ConstantLR(optimizer, factor=1.0)
    return OneCycleLR(
        optimizer,
        max_lr=[group["max_lr"] for group in optimizer.param_groups],
        total_steps=steps,
        # A warm-up of exactly one step is left out: OneCycleLR divides by the steps of the warm-up minus one.
        pct_start=0.0 if math.isclose(config.warmup * steps, 1) else config.warmup,
        cycle_momentum=False,
        final_div_factor=1e3,
    )


def _optimizers(
    parameter_groups: list[Group], config: TrainConfig, outer: Collection[nn.Parameter]
) -> Iterator[Optimizer]:
    """The optimisers of the recipe: one for all parameters, or Muon for the hidden matrices and AdamW for the rest."""
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
                yield Muon(_filtered(parameter_groups, lambda p: p in hidden))
            yield AdamW(_filtered(parameter_groups, lambda p: p not in hidden), betas=ADAMW_BETAS, fused=fused)
        case _:
            assert_never(config.optimizer)


def _filtered(parameter_groups: list[Group], wanted: Callable[[nn.Parameter], bool]) -> list[Group]:
    """The groups with their `wanted` parameters only, without groups that become empty."""
    filtered = [{**group, "params": [p for p in group["params"] if wanted(p)]} for group in parameter_groups]
    return [group for group in filtered if group["params"]]


def _has_fused(parameters: Iterable[nn.Parameter]) -> bool:
    """Whether torch has a fused implementation of its optimisers for these parameters."""
    return all(p.device.type in ("cpu", "cuda", "mps") and torch.is_floating_point(p) for p in parameters)
