"""Fine-tuning in two stages: first the classifier on frozen features, then all parameters, the features more slowly.

Source: Howard and Ruder 2018 (arXiv:1801.06146) for the two stages and the differential learning rates.
"""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor
from torch.profiler import record_function

from lab2.data.source import Images
from lab2.measure.hardware import memory_limit, scratch_folder
from lab2.models.building.two_parts import TwoParts
from lab2.spec.architectures import TransferConfig
from lab2.spec.job import TrainConfig
from lab2.train.classifier import ClassifierTrainer, fit, to_unit
from lab2.train.optimizer import groups
from lab2.train.precision import autocast
from lab2.train.stage import Step, count_steps

IN_MEMORY_SHARE = 0.1  # features that need more than this share of the memory are stored in a memory-mapped file


class TransferTrainer(ClassifierTrainer):
    """Trains a classifier whose features are pre-trained."""

    model: TwoParts

    def __init__(
        self,
        transfer: TransferConfig,
        model: TwoParts,
        config: TrainConfig,
        train: Images,
        *,
        device: torch.device,
        precision: str,
        seed: int,
    ) -> None:
        super().__init__(model, config, train, device=device, precision=precision, seed=seed)
        self.transfer = transfer

    def fit(self) -> Iterator[Step]:
        """Train in two stages; steps, images and epochs are counted through both."""
        config, head_epochs = self.config, self.transfer.head_epochs
        size = len(self.images)
        last_steps = count_steps(size, config.batch_size, config.epochs)
        model = self.model
        model.train()
        if head_epochs:
            model.find_parts(to_unit(self.images[:2]))
        with self.ready_to_train():
            if head_epochs and not (self.resumed and self.resumed["stage"] == "all"):
                with tempfile.TemporaryDirectory(prefix="lab2-features-", dir=scratch_folder()) as folder:
                    with record_function("features"):
                        features = self._features(folder)
                    stage = self.start_stage("head", groups(model.head_parameters(), config), head_epochs)
                    for step in fit(model.classify, stage, features, self.labels, config, precision=self.precision):
                        yield dataclasses.replace(step, total=step.total + last_steps)
                    self.earlier_steps = stage.number
            head_parameters = model.head_parameters()
            in_head = set(head_parameters)
            features_of = [p for p in model.parameters() if p not in in_head]
            slow = groups(features_of, config, self.transfer.feature_lr_scale)
            stage = self.start_stage("all", [*slow, *groups(head_parameters, config)], config.epochs)
            for step in fit(model, stage, self.images, self.labels, config, precision=self.precision):
                number, total = self.earlier_steps + step.number, self.earlier_steps + step.total
                images = number * config.batch_size
                yield dataclasses.replace(step, number=number, total=total, images=images, epoch=images / size)

    def warm_up(self) -> None:
        """On a GPU, make a step of the whole network and throw it away; no features are computed for it."""
        self._throw_away(super().fit())

    @torch.no_grad()
    def _features(self, folder: str) -> Tensor:
        """The (N, D, P, P) pooled features of all training images, computed once. `folder` is for large ones."""
        cache: Tensor | None = None
        self.model.eval()
        for start in range(0, len(self.images), self.predict_batch):
            batch = to_unit(self.images[start : start + self.predict_batch])
            with autocast(self.device, self.precision):
                part = self.model.extract(batch).float()
            if cache is None:
                cache = _empty((len(self.images), *part.shape[1:]), self.device, folder)
            cache[start : start + len(part)] = part
        self.model.train()
        assert cache is not None
        return cache


def _empty(shape: tuple[int, ...], device: torch.device, folder: str) -> Tensor:
    """An uninitialised float32 tensor, on the device or, if it is large on a CPU, in a memory-mapped file."""
    size = torch.Size(shape).numel()
    if device.type != "cpu" or size * 4 <= IN_MEMORY_SHARE * memory_limit():
        return torch.empty(shape, device=device)
    with Path(folder, "features").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, size * 4)  # so that a full disk raises here, and not SIGBUS later
    return torch.from_file(f"{folder}/features", shared=True, size=size).view(shape)
