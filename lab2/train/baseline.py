"""The trainer of baselines: one step, which fits the classifier to all training images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import numpy as np
import torch

from lab2.data.source import Images
from lab2.data.split import draw
from lab2.measure.batch import images_at_a_time
from lab2.models.layers.fitted import Fitted
from lab2.spec.job import JobSpec
from lab2.train.classifier import ClassifierTrainer, to_unit
from lab2.train.stage import State, Step
from lab2.train.streamed import batches


class BaselineTrainer(ClassifierTrainer):
    """Fits a classifier in one step. There is no state within it: a fit that is interrupted starts anew."""

    model: Fitted

    def __init__(self, model: Fitted, job: JobSpec, train: Images, *, device: torch.device, seed: int) -> None:
        """Raises `DataError` where the config asks for fewer images than there are classes."""
        self.drawn = draw(train, model.most_images, job.name, "model.most_images")
        self.share = len(self.drawn) / len(train)
        super().__init__(model, job.train, self.drawn, device=device, precision="fp32", seed=seed)

    def fit(self) -> Iterator[Step]:
        """Fit it, and yield once; nothing where a checkpoint says that it is fitted."""
        self.trained_parameters = sum(parameter.numel() for parameter in self.model.parameters())
        state, self.resumed = self.resumed, None
        if state is not None and state["model"]:
            self.model.load_state_dict(state["model"])
            return
        self.model.fit(
            map(to_unit, batches(self.drawn.pixels, images_at_a_time(self.image_side))),
            torch.from_numpy(self.drawn.labels),
        )
        if state is None:  # else only what no checkpoint holds was missing
            yield Step(1, 1, len(self.drawn), self.share, loss=None, gradient_norm=torch.zeros(()))

    def warm_up(self) -> None:
        """Nothing: the first step is the whole training."""

    def state(self) -> State:
        """What was fitted, but for what the training images give again."""
        return {"kernels": asdict(self.kernels), "model": self.model.state_dict()}

    @property
    def predict_batch(self) -> int:
        """Images at a time."""
        return min(self.model.predict_batch, images_at_a_time(self.image_side))

    def release(self) -> None:
        """Free the training images."""
        super().release()
        self.drawn = self.drawn.take(np.empty(0, np.int64))
