"""The base class of the trainers: a network, its recipe and its images, and resuming from a checkpoint."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from lab2.data.source import Images
from lab2.errors import CheckpointError
from lab2.measure.predictions import Predictions
from lab2.measure.random_numbers import (
    accelerator_random,
    random_state,
    restore_accelerator_random,
    restore_random_state,
)
from lab2.spec.job import TrainConfig
from lab2.train.kernels import Kernels, default_kernels, use_kernels
from lab2.train.optimizer import Group
from lab2.train.stage import Stage, State, Step
from lab2.train.streamed import StreamedImages, in_memory_or_streamed


class Trainer(ABC):
    """Trains a network with `fit`, then infers with `predict`. A training can be resumed from its `state`."""

    def __init__(
        self,
        model: nn.Module,
        config: TrainConfig,
        train: Images,
        *,
        device: torch.device,
        precision: str,
        seed: int,
    ) -> None:
        self.model = model.to(device)
        self.config = config
        self.device = device
        self.use(default_kernels(model, config, device, precision))
        self.generator = torch.Generator().manual_seed(seed)
        self.images: Tensor | StreamedImages = in_memory_or_streamed(train.pixels)
        self.labels = torch.from_numpy(train.labels)
        self.graphed = False  # whether steps are replayed as a CUDA graph, on a GPU
        self.warmed_up = True  # whether `warm_up` makes a step, on a GPU
        self.resumed: State | None = None  # the state from which `fit` continues
        self.outer: set[nn.Parameter] = set()  # matrices of the first and last layer; empty unless Muon is used
        self.trained_parameters = 0  # parameters that the optimiser updates, in the stage that updates the most
        self._resumed_from = Path()
        self.stage_name = ""
        self.earlier_steps = 0  # of the stages before this one
        self._stage: Stage | None = None
        self._counted: str | None = None  # the stage whose thrown-away step waited nowhere

    @property
    def precision(self) -> str:
        """Of the products in a forward pass."""
        return self.kernels.precision

    def use(self, kernels: Kernels) -> None:
        """Compute with `kernels` from now on. Call it before `fit`."""
        self.kernels = kernels
        use_kernels(self.model, kernels)

    @abstractmethod
    def fit(self) -> Iterator[Step]:
        """Train; yields after each step, when the caller may use the network."""

    def warm_up(self) -> None:
        """On a GPU, make a step and throw it away: the first one loads libraries and kernels, which takes seconds.

        Call it before `fit`, which then trains as if this had not been: weights, buffers and torch's random numbers are
        restored. What else a network's code may keep is not, so it is not done for a network of the user's.
        """
        self._throw_away(self.fit())

    def _throw_away(self, steps: Iterator[Step]) -> None:
        """Make the first of `steps`, and leave everything as it was before, on a GPU; elsewhere nothing."""
        if self.device.type != "cuda" or not self.warmed_up:
            return
        assert isinstance(steps, Generator)
        # On the CPU: a GPU that the training fills has no place for the weights twice.
        before = [value.detach().to("cpu", copy=True) for value in (*self.model.parameters(), *self.model.buffers())]
        generator, trained_parameters = self.generator.get_state(), self.trained_parameters
        resumed, self.resumed = self.resumed, None
        with torch.random.fork_rng(devices=[self.device]):
            next(steps)
            steps.close()
        assert self._stage is not None
        self.graphed = self.graphed and not self._stage.waits
        self._counted = self.stage_name
        with torch.no_grad():
            for value, was in zip((*self.model.parameters(), *self.model.buffers()), before, strict=True):
                value.copy_(was)
        self.model.zero_grad(set_to_none=True)
        self.generator.set_state(generator)
        self.resumed, self.trained_parameters = resumed, trained_parameters
        self.stage_name, self._stage = "", None

    def release(self) -> None:
        """Free what only training needs: optimiser, images, gradients. Only `infer` and `predict` work after this."""
        self._stage = None
        self.images, self.labels = torch.empty(0, dtype=torch.uint8), self.labels.new_empty(0)
        self.model.zero_grad(set_to_none=True)

    @abstractmethod
    def infer(self, images: Tensor) -> object:
        """The network's output for (N, C, S, S) uint8 images."""

    @abstractmethod
    def predict(self, images: Images) -> Predictions:
        """The predicted label and the class probabilities of each image."""

    def state(self) -> State:
        """The state of the training, with that of the random number generators. Call it between two steps of `fit`."""
        assert self._stage is not None
        return {
            "stage": self.stage_name,
            "earlier_steps": self.earlier_steps,
            "kernels": asdict(self.kernels),
            "model": self._trained_state(),
            "moved": self._parameter_order(self._stage),
            "position": self._stage.state(),
            "random": torch.get_rng_state(),
            "accelerator_random": accelerator_random(self.device),
            "other_random": random_state(),
        }

    def resume_from(self, state: State, file: Path) -> None:
        """Let `fit` continue from `state`, with its kernels. `file`, which held it, is named in errors.

        `fit` then raises `CheckpointError` where the state is of another network or recipe.
        """
        self.resumed, self._resumed_from = state, file
        kernels = Kernels(**state["kernels"])  # "auto" may choose other kernels on this node
        self.use(kernels if self.device.type == "cpu" else replace(kernels, convolution="direct"))

    def start_stage(self, name: str, parameter_groups: list[Group], epochs: float) -> Stage:
        """Start the stage of that name, or restore it from `resumed`.

        Raises `CheckpointError` where `resumed` is not of this stage.
        """
        self.stage_name = name
        updated = sum(p.numel() for group in parameter_groups if group["max_lr"] for p in group["params"])
        self.trained_parameters = max(self.trained_parameters, updated)
        self._stage = Stage(
            parameter_groups,
            self.config,
            images=len(self.images),
            epochs=epochs,
            generator=self.generator,
            precision=self.precision,
            outer=self.outer,
            graphed=self.graphed,
            counted=name == self._counted,
        )
        if self.resumed is not None:
            state, self.resumed = self.resumed, None
            self._check(state)
            self.model.load_state_dict(state["model"], strict=False)  # not strict: it has no frozen parameters
            self.earlier_steps = state["earlier_steps"]
            self._stage.restore(state["position"])
            torch.set_rng_state(state["random"])
            restore_accelerator_random(self.device, state["accelerator_random"])
            if "other_random" in state:  # older checkpoints have none
                restore_random_state(state["other_random"])
        return self._stage

    @property
    def replayed(self) -> bool:
        """Whether the steps of the current stage are replayed as a CUDA graph by now."""
        return self._stage is not None and self._stage.replayed

    @property
    def uneven_steps(self) -> int:
        """How many of the first steps of the current stage take longer than the others."""
        return 1 if self._stage is None else self._stage.uneven_steps

    @property
    def steps_left(self) -> int:
        """Of the current stage."""
        assert self._stage is not None
        return self._stage.total - self._stage.number

    def end_in(self, steps: int) -> None:
        """End the current stage after so many more steps, 0 for now. Call it between two steps of `fit`."""
        assert self._stage is not None
        self._stage.end_in(steps)

    def _trained_state(self) -> dict[str, Tensor]:
        """The network's parameters and buffers without the frozen parameters."""
        frozen = {name for name, p in self.model.named_parameters() if not p.requires_grad}
        return {name: value for name, value in self.model.state_dict().items() if name not in frozen}

    def _parameter_order(self, stage: Stage) -> list[list[str | list[str]]]:
        """For each optimiser its class and the names of its parameters, by group and in order.

        The state of an optimiser refers to parameters by their position, so a checkpoint must have the same order.
        """
        names = {parameter: name for name, parameter in self.model.named_parameters()}
        return [
            [type(optimizer).__name__, *([names[p] for p in group["params"]] for group in optimizer.param_groups)]
            for optimizer in stage.optimizer.optimizers
        ]

    def _check(self, state: State) -> None:
        """Raise `CheckpointError` where `state` is not of the stage that is about to start."""
        assert self._stage is not None
        here = {name: tuple(value.shape) for name, value in self._trained_state().items()}
        saved = {name: tuple(value.shape) for name, value in state["model"].items()}
        wrong = [f"{name} is not in it" for name in here.keys() - saved.keys()]
        wrong += [f"{name} is in it, and not here" for name in saved.keys() - here.keys()]
        shared = here.keys() & saved.keys()
        wrong += [f"{name} has shape {saved[name]}, here {here[name]}" for name in shared if saved[name] != here[name]]
        if state["stage"] != self.stage_name:
            wrong.append(f"it was made in the stage {state['stage']}, here that is {self.stage_name}")
        elif not wrong and state["moved"] != self._parameter_order(self._stage):
            wrong.append("its optimisers moved the parameters in other groups, or in another order")
        if wrong:
            more = f", and {len(wrong) - 3} more" if len(wrong) > 3 else ""
            raise CheckpointError(
                f"{self._resumed_from}: of another network or recipe than this trial's: "
                f"{'; '.join(sorted(wrong)[:3])}{more}; remove it, then lab2 resume starts the trial over"
            )


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Inside, `model` is in evaluation mode and no gradients are computed; afterwards it is in training mode."""
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train()
