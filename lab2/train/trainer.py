"""What both loops share: a network, its recipe and its images, and how to go on after an interruption."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from lab2.data.source import Images
from lab2.measure.predictions import Predictions
from lab2.spec.job import TrainConfig
from lab2.train.course import Course, State, Step
from lab2.train.optimizer import Group


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
        self.images = torch.from_numpy(train.pixels)
        self.labels = torch.from_numpy(train.labels)
        self.resumed: State | None = None  # where `fit` is to go on
        self.trained_parameters = 0  # numbers that the optimiser moves, of the stage that moves most
        self._stage = ""
        self._course: Course | None = None

    @abstractmethod
    def fit(self) -> Iterator[Step]:
        """Train; between two steps the caller may look at the network."""

    def release(self) -> None:
        """Give back what only training needs; from here on there is `infer` and `predict`."""
        self._course = None
        self.images, self.labels = self.images.new_empty(0), self.labels.new_empty(0)
        self.model.zero_grad(set_to_none=True)

    @abstractmethod
    def infer(self, images: Tensor) -> object:
        """What the network makes of (N, C, S, S) uint8 images."""

    @abstractmethod
    def predict(self, images: Images) -> Predictions:
        """What is in each image, and how sure that is."""

    def state(self) -> State:
        """To be taken between two steps of `fit`: what training changes, and the random numbers to come."""
        assert self._course is not None
        frozen = {name for name, p in self.model.named_parameters() if not p.requires_grad}
        on_gpu = self.device.type == "cuda"
        return {
            "stage": self._stage,
            "precision": self.precision,
            "model": {name: value for name, value in self.model.state_dict().items() if name not in frozen},
            "course": self._course.state(),
            "random": torch.get_rng_state(),
            "gpu_random": torch.cuda.get_rng_state(self.device) if on_gpu else None,
        }

    def course(self, stage: str, parameter_groups: list[Group], epochs: float) -> Course:
        """The course of that name, from its start, or from where `resumed` was taken in it."""
        self._stage = stage
        moved = sum(p.numel() for group in parameter_groups if group["max_lr"] for p in group["params"])
        self.trained_parameters = max(self.trained_parameters, moved)
        self._course = Course(
            parameter_groups, self.config, images=len(self.images), epochs=epochs, generator=self.generator
        )
        if self.resumed is not None and self.resumed["stage"] == stage:
            state, self.resumed = self.resumed, None
            self.precision = state["precision"]  # another node may have chosen another
            self.model.load_state_dict(state["model"], strict=False)
            self._course.restore(state["course"])
            torch.set_rng_state(state["random"])
            if state["gpu_random"] is not None:
                torch.cuda.set_rng_state(state["gpu_random"], self.device)
        return self._course


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Inside, `model` is asked and not trained: no dropout, no gradients."""
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train()
