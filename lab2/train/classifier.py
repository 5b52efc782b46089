"""The training loop for classifiers, and their trainer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.profiler import record_function

from lab2.data import augment
from lab2.data.mixing import MixedLabels, mix
from lab2.data.source import Images
from lab2.measure.batch import images_at_a_time
from lab2.measure.predictions import Predictions
from lab2.models.building.answers import Answer, Answering
from lab2.models.building.pretrained import folded
from lab2.spec.job import TrainConfig
from lab2.train.optimizer import groups, outer_layers
from lab2.train.precision import autocast
from lab2.train.stage import Stage, Step
from lab2.train.streamed import StreamedImages, batches, on_device
from lab2.train.trainer import Trainer, evaluating

AUXILIARY_SHARE = 0.3  # of their losses: Szegedy et al. 2014 (arXiv:1409.4842), section 5

Forward = Callable[[Tensor], Tensor | Answer]


def fit(
    forward: Forward,
    stage: Stage,
    inputs: Tensor | StreamedImages,
    labels: Tensor,
    config: TrainConfig,
    *,
    precision: str,
) -> Iterator[Step]:
    """Train the parameters of `stage` so that `forward` of `inputs` predicts `labels`; yields after each step.

    `inputs` are either (N, C, S, S) uint8 images, which are augmented by the recipe, or float features, which are used
    unchanged. `inputs` and `labels` (N,) are on the network's device. Between two steps the caller may use the network.
    """

    def loss_of(batch: Tensor, *targets: Tensor) -> Tensor:
        with autocast(inputs.device, precision):
            return _loss(forward(batch), MixedLabels(*targets) if targets[1:] else targets[0], config.label_smoothing)

    for order in stage:
        with record_function("data"):
            index = order.to(inputs.device, non_blocking=True)
            batch = inputs[index] if isinstance(inputs, Tensor) else inputs[order]
            targets: tuple[Tensor, ...] = (labels[index],)
            if batch.dtype == torch.uint8:
                batch = augmented(to_unit(batch), config, stage.generator)
                batch, mixed = mix(batch, labels[index], config.mixup, config.cutmix, stage.generator)
                targets = (mixed,) if isinstance(mixed, Tensor) else (mixed.first, mixed.second, mixed.share)
        yield stage.step(loss_of, batch, *targets)


def augmented(images: Tensor, config: TrainConfig, generator: torch.Generator) -> Tensor:
    """(B, C, S, S) images in [0, 1] after all that the recipe does to each of them alone, in the recipe's order."""
    images = augment.warp(images, config.rotation, config.stretch, generator)
    images = augment.shift(images, config.shift, generator)
    images = augment.crop(images, config.crop_scale, generator)
    images = augment.flip(images, config.flip, generator)
    images = augment.jitter(images, config.jitter, generator)
    if config.trivial_augment:
        from lab2.data.trivial_augment import trivial_augment  # here: torchvision takes a second to import

        return trivial_augment(images, generator)
    return images


def _loss(answer: Tensor | Answer, labels: Tensor | MixedLabels, smoothing: float) -> Tensor:
    """Cross-entropy; that of auxiliary classifiers at a share of it."""
    if isinstance(answer, Tensor):
        targets = labels if isinstance(labels, Tensor) else labels.as_probabilities(answer.shape[1])
        return F.cross_entropy(answer.float(), targets, label_smoothing=smoothing)
    none = answer.logits.new_zeros((), dtype=torch.float32)
    aside = sum((_loss(one, labels, smoothing) for one in answer.auxiliary), none)
    return _loss(answer.logits, labels, smoothing) + AUXILIARY_SHARE * aside


def forward_and_backward(
    model: nn.Module, images: Tensor, labels: Tensor, config: TrainConfig, *, precision: str
) -> Tensor:
    """A step without its update: the loss (a scalar) of (B, C, S, S) uint8 images, with its gradients in `model`."""
    with autocast(images.device, precision):
        loss = _loss(model(to_unit(images)), labels, config.label_smoothing)
    torch.autograd.backward(loss)
    return loss.detach()


class ClassifierTrainer(Trainer):
    """Trains a classifier. Its images are kept on its device, or streamed to it from a file."""

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
        super().__init__(model, config, train, device=device, precision=precision, seed=seed)
        self.images, self.labels = on_device(self.images, device), self.labels.to(device)
        self.image_side = train.pixels.shape[-1]  # pixels

    def fit(self) -> Iterator[Step]:
        """Train all parameters in one stage, from the network's current weights."""
        self.model.train()
        with self.ready_to_train():
            stage = self.start_stage("all", groups(self.model, self.config), self.config.epochs)
            yield from fit(self.model, stage, self.images, self.labels, self.config, precision=self.precision)

    @contextmanager
    def ready_to_train(self) -> Iterator[None]:
        """Inside, weights over equal inputs are folded into their sum. For Muon, `outer` is set before.

        `folded` says which inputs are equal.
        """
        sample = to_unit(self.images[:1])
        if self.config.optimizer == "muon":
            self.outer = outer_layers(self.model, sample)
        with folded(self.model, sample):
            yield

    @property
    def predict_batch(self) -> int:
        """Images at a time where nothing is trained."""
        own = self.model.predict_batch if isinstance(self.model, Answering) else None
        return own or images_at_a_time(self.image_side)

    def infer(self, images: Tensor) -> Tensor:
        """(N, K) logits of (N, C, S, S) uint8 images."""
        with autocast(self.device, self.precision):
            logits: Tensor = self.model(to_unit(images))
        return logits.float()

    def predict(self, images: Images) -> Predictions:
        """The most probable class and the class probabilities of each image: NaN where a logit is not finite."""
        with evaluating(self.model):
            each = [self.infer(batch.to(self.device)).cpu() for batch in batches(images.pixels, self.predict_batch)]
        logits = torch.cat(each)
        probabilities = logits.softmax(1).where(logits.isfinite().all(1, keepdim=True), math.nan)
        return Predictions(images.labels, logits.argmax(1).numpy(), probabilities.numpy())


def to_unit(images: Tensor) -> Tensor:
    """uint8 images as float32 in [0, 1]."""
    return images.float() / 255
