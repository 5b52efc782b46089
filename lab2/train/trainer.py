"""What both loops share: a network, its recipe and its images, and how to go on after an interruption."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from lab2.data.source import Images
from lab2.errors import CheckpointError
from lab2.measure.predictions import Predictions
from lab2.spec.job import TrainConfig
from lab2.train.optimizer import Group
from lab2.train.stage import Stage, State, Step
from lab2.train.streamed import StreamedImages, in_memory_or_streamed


class Trainer(ABC):
    """`fit` it, then let it `predict`; between two steps `state` holds all that the rest depends on."""

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
        self.model.to(memory_format=torch.channels_last)  # nearly all are faster so: benchmarks/README.md
        self.config = config
        self.device = device
        self.precision = precision
        self.generator = torch.Generator().manual_seed(seed)
        self.images: Tensor | StreamedImages = in_memory_or_streamed(train.pixels)
        self.labels = torch.from_numpy(train.labels)
        self.resumed: State | None = None  # where `fit` is to go on
        self.outer: set[nn.Parameter] = set()  # of the first and the last layer, where the recipe's optimiser is Muon
        self.trained_parameters = 0  # numbers that the optimiser moves, of the stage that moves most
        self._resumed_from = Path()
        self._stage_name = ""
        self._stage: Stage | None = None

    @abstractmethod
    def fit(self) -> Iterator[Step]:
        """Train; between two steps the caller may look at the network."""

    def release(self) -> None:
        """Give back what only training needs; from here on there is `infer` and `predict`."""
        self._stage = None
        self.images, self.labels = torch.empty(0, dtype=torch.uint8), self.labels.new_empty(0)
        self.model.zero_grad(set_to_none=True)

    @abstractmethod
    def infer(self, images: Tensor) -> object:
        """What the network makes of (N, C, S, S) uint8 images."""

    @abstractmethod
    def predict(self, images: Images) -> Predictions:
        """What is in each image, and how sure that is."""

    def state(self) -> State:
        """To be taken between two steps of `fit`: what training changes, and the random numbers to come."""
        assert self._stage is not None
        on_gpu = self.device.type == "cuda"
        return {
            "stage": self._stage_name,
            "precision": self.precision,
            "model": self._trained(),
            "moved": self._moved(self._stage),
            "position": self._stage.state(),
            "random": torch.get_rng_state(),
            "gpu_random": torch.cuda.get_rng_state(self.device) if on_gpu else None,
        }

    def go_on(self, state: State, file: Path) -> None:
        """Let `fit` go on from where `state`, which `file` held, was taken, and in its precision.

        `fit` raises `CheckpointError` where that is of another network or recipe.
        """
        self.resumed, self._resumed_from = state, file
        self.precision = state["precision"]  # another node may have chosen another

    def start_stage(self, name: str, parameter_groups: list[Group], epochs: float) -> Stage:
        """The stage of training of that name, from its start, or from where `resumed` was taken in it."""
        self._stage_name = name
        moved = sum(p.numel() for group in parameter_groups if group["max_lr"] for p in group["params"])
        self.trained_parameters = max(self.trained_parameters, moved)
        self._stage = Stage(
            parameter_groups,
            self.config,
            images=len(self.images),
            epochs=epochs,
            generator=self.generator,
            precision=self.precision,
            outer=self.outer,
        )
        if self.resumed is not None:
            state, self.resumed = self.resumed, None
            self._check(state)
            self.model.load_state_dict(state["model"], strict=False)  # the frozen ones are not in it
            self._stage.restore(state["position"])
            torch.set_rng_state(state["random"])
            if state["gpu_random"] is not None:
                torch.cuda.set_rng_state(state["gpu_random"], self.device)
        return self._stage

    def _trained(self) -> dict[str, Tensor]:
        """What training changes of the network: all but the frozen parameters."""
        frozen = {name for name, p in self.model.named_parameters() if not p.requires_grad}
        return {name: value for name, value in self.model.state_dict().items() if name not in frozen}

    def _moved(self, stage: Stage) -> list[list[str | list[str]]]:
        """Who moves what: of each optimiser its kind and its groups, in order, for its state numbers the parameters."""
        names = {parameter: name for name, parameter in self.model.named_parameters()}
        return [
            [type(one).__name__, *([names[p] for p in group["params"]] for group in one.param_groups)]
            for one in stage.optimizer.optimizers
        ]

    def _check(self, state: State) -> None:
        """Raise `CheckpointError` where `state` is not of the stage that is about to start."""
        assert self._stage is not None
        ours, theirs = ({name: tuple(t.shape) for name, t in m.items()} for m in (self._trained(), state["model"]))
        wrong = [f"{name} is not in it" for name in ours.keys() - theirs.keys()]
        wrong += [f"{name} is in it, and not here" for name in theirs.keys() - ours.keys()]
        shared = ours.keys() & theirs.keys()
        wrong += [
            f"{name} has shape {theirs[name]}, here {ours[name]}" for name in shared if theirs[name] != ours[name]
        ]
        if state["stage"] != self._stage_name:
            wrong.append(f"it was made in the stage {state['stage']}, here that is {self._stage_name}")
        elif not wrong and state["moved"] != self._moved(self._stage):
            wrong.append("its optimisers moved the parameters in other groups, or in another order")
        if wrong:
            more = f", and {len(wrong) - 3} more" if len(wrong) > 3 else ""
            raise CheckpointError(
                f"{self._resumed_from}: of another network or recipe than this trial's: "
                f"{'; '.join(sorted(wrong)[:3])}{more}; remove it, then lab2 resume starts the trial over"
            )


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Inside, `model` is asked and not trained: no dropout, no gradients."""
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train()
