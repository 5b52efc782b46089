"""The loop for classifiers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lab2.data import augment
from lab2.data.source import Images
from lab2.measure.predictions import Predictions
from lab2.models.transfer import folded
from lab2.spec.job import TrainConfig
from lab2.train.optimizer import Group, OneCycle, groups
from lab2.train.precision import autocast
from lab2.train.steps import Step, after, batches, count_steps

PREDICT_BATCH = 500  # images at a time; it changes memory, not results

Forward = Callable[[Tensor], Tensor]


def fit(
    forward: Forward,
    parameter_groups: list[Group],
    inputs: Tensor,
    labels: Tensor,
    config: TrainConfig,
    *,
    epochs: float,
    precision: str,
    generator: torch.Generator,
) -> Iterator[Step]:
    """Train what `parameter_groups` hold so that `forward` of `inputs` gives `labels`.

    `inputs` are (N, C, S, S) uint8 images, augmented as the recipe says, or float features, taken as they
    are; both lie on the device of the network. Between two steps the caller may look at the network.
    """
    total = count_steps(len(inputs), config.batch_size, epochs)
    optimizer = OneCycle(parameter_groups, config, total)
    seen = 0
    for number, order in enumerate(batches(len(inputs), config.batch_size, epochs, generator), 1):
        index = order.to(inputs.device, non_blocking=True)
        batch = inputs[index]
        if batch.dtype == torch.uint8:
            batch = augment.shift(to_unit(batch), config.shift, generator)
        with autocast(inputs.device, precision):
            logits = forward(batch)
        loss = F.cross_entropy(logits.float(), labels[index], label_smoothing=config.label_smoothing)
        optimizer.step(loss)
        yield after(number, total, seen, len(inputs), config.batch_size, loss)
        seen += config.batch_size


class ClassifierTrainer:
    """A classifier, its recipe and its images: `fit` it, then let it `predict`."""

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
        self.model = model.to(device).to(memory_format=torch.channels_last)
        self.config = config
        self.device = device
        self.precision = precision
        self.generator = torch.Generator().manual_seed(seed)
        self.images = torch.from_numpy(train.pixels).to(device)
        self.labels = torch.from_numpy(train.labels).to(device)

    def fit(self) -> Iterator[Step]:
        """Train everything from where its weights are."""
        self.model.train()
        with folded(self.model, to_unit(self.images[:1])):
            yield from self._stage(self.model, groups(self.model, self.config), self.images, self.config.epochs)

    def _stage(self, forward: Forward, parameter_groups: list[Group], inputs: Tensor, epochs: float) -> Iterator[Step]:
        return fit(
            forward,
            parameter_groups,
            inputs,
            self.labels,
            self.config,
            epochs=epochs,
            precision=self.precision,
            generator=self.generator,
        )

    def infer(self, images: Tensor) -> Tensor:
        """(N, K) logits of (N, C, S, S) uint8 images."""
        with autocast(self.device, self.precision):
            logits: Tensor = self.model(to_unit(images))
        return logits.float()

    @torch.inference_mode()
    def predict(self, images: Images) -> Predictions:
        """The likeliest class of each image, and all probabilities."""
        self.model.eval()
        batches = torch.from_numpy(images.pixels).split(PREDICT_BATCH)
        logits = torch.cat([self.infer(batch.to(self.device)).cpu() for batch in batches])
        self.model.train()
        return Predictions(images.labels, logits.argmax(1).numpy(), logits.softmax(1).numpy())


def to_unit(images: Tensor) -> Tensor:
    """uint8 images as float32 in [0, 1]."""
    return images.float() / 255
