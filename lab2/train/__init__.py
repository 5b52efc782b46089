"""The training loops, optimisers and checkpoints. They do not time, score, print or choose devices."""

from __future__ import annotations

import torch

from lab2.data.source import Images
from lab2.models.building import Built
from lab2.models.building.two_parts import TwoParts
from lab2.models.layers.fitted import Fitted
from lab2.spec.architectures import TransferConfig
from lab2.spec.job import JobSpec
from lab2.train.baseline import BaselineTrainer
from lab2.train.classifier import ClassifierTrainer
from lab2.train.trainer import Trainer
from lab2.train.transfer import TransferTrainer


def make_trainer(
    job: JobSpec, built: Built, train: Images, *, device: torch.device, precision: str, seed: int
) -> Trainer:
    """The trainer for this network.

    A baseline is fitted, a detector is trained on boxes or scenes, a pre-trained network in two stages.
    """
    if isinstance(built.model, Fitted):
        return BaselineTrainer(built.model, job, train, device=device, seed=seed)
    trainer = _trainer(job, built, train, device=device, precision=precision, seed=seed)
    asked = job.train.cuda_graph
    trainer.graphed = asked == "on" or (asked == "auto" and not job.model.is_users_code)
    trainer.warmed_up = not job.model.is_users_code
    return trainer


def _trainer(job: JobSpec, built: Built, train: Images, *, device: torch.device, precision: str, seed: int) -> Trainer:
    model = built.model
    if job.model.detects:
        from lab2.models.layers.detector import Detector  # here: torchvision's detectors take a second to import
        from lab2.train.detector import DetectorTrainer

        assert isinstance(model, Detector)
        return DetectorTrainer(model, job.train, train, device=device, precision=precision, seed=seed)
    if isinstance(model, TwoParts) and built.weights != "random":
        assert isinstance(job.model, TransferConfig)
        return TransferTrainer(job.model, model, job.train, train, device=device, precision=precision, seed=seed)
    return ClassifierTrainer(model, job.train, train, device=device, precision=precision, seed=seed)
