"""What is measured when a trial has trained: the test images, read once, and what the deployed network costs."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from lab2.attempt import finite_predictions
from lab2.data.datasets import TrainingData, load_test
from lab2.data.source import Images
from lab2.measure.cost import THROUGHPUT_BATCH, latency, throughput
from lab2.measure.flops import flops_per_image
from lab2.measure.metrics import majority_accuracy, score, score_detections
from lab2.measure.predictions import write_predictions
from lab2.measure.usage import Meter
from lab2.models.deploy import deploy
from lab2.results.run_dir import RunDir
from lab2.spec.job import Trial
from lab2.train.detector import DetectorTrainer
from lab2.train.precision import dtype_of
from lab2.train.trainer import Trainer


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """The fields of a shard that come from the test images."""

    accuracy: float
    macro_f1: float
    map_50: float | None
    map_50_95: float | None
    majority_accuracy: float
    test_images: int
    classes: int
    tested_classes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceCost:
    """The fields of a shard that say what the network costs where it is deployed."""

    flops_per_image: int
    flops_uncounted: str
    inference_memory_bytes: int | None
    latency_p50_seconds: float
    latency_p95_seconds: float
    throughput_images_per_second: float


def read_test_images(
    trial: Trial, run: RunDir, learner: Trainer, data: TrainingData, step: int
) -> tuple[Tested, Tensor]:
    """Score `learner` on the test images, and keep its predictions; with them, some images to measure its costs with.

    The test images are read here, once, and nothing after this chooses anything by them.
    Raises `TrainingError` where its logits are not finite.
    """
    test = load_test(trial.data)
    predictions = finite_predictions(learner, test, step)
    write_predictions(run.predictions(trial.name), predictions)
    scores = score(predictions)
    detection = score_detections(*learner.detect_scenes(test)) if isinstance(learner, DetectorTrainer) else None
    tested = Tested(
        **asdict(scores),
        map_50=detection.map_50 if detection else None,
        map_50_95=detection.map_50_95 if detection else None,
        majority_accuracy=majority_accuracy(data.train.labels, test.labels),
        test_images=len(test),
        classes=len(data.shape.classes),
        tested_classes=len(set(test.labels.tolist())),
    )
    return tested, _some(test)


def cost_of_inference(learner: Trainer, images: Tensor) -> InferenceCost:
    """What `learner`'s network costs as one would deploy it; it cannot be trained after this.

    `images` are (N, C, S, S) uint8, as many as a large batch has.
    """
    learner.release()
    images = images.to(learner.device)
    deploy(learner.model, learner.infer, images, dtype_of(learner.precision))
    flops = flops_per_image(learner.infer, images[:1])
    meter = Meter(learner.device)
    with meter.running():
        p50, p95 = latency(learner.infer, images)
    return InferenceCost(
        flops_per_image=flops.count,
        flops_uncounted=", ".join(flops.uncounted),
        inference_memory_bytes=meter.usage.peak_bytes,
        latency_p50_seconds=p50,
        latency_p95_seconds=p95,
        throughput_images_per_second=throughput(learner.infer, images),
    )


def _some(images: Images) -> Tensor:
    return torch.from_numpy(images.pixels[:THROUGHPUT_BATCH].copy())
