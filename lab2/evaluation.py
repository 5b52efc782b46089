"""The measurements after a training: the scores on the test images, and the cost of the deployed network."""

from __future__ import annotations

import logging
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lab2.data.datasets import TrainingData, load_test
from lab2.data.identity import identities
from lab2.data.places import open_source
from lab2.data.rearranged import rearranged
from lab2.data.source import Images
from lab2.data.stored import StoredPixels
from lab2.errors import InputError, RunError
from lab2.measure.corrupted import write_corrupted
from lab2.measure.cost import THROUGHPUT_BATCH, latency, throughput
from lab2.measure.flops import flops_per_image
from lab2.measure.metrics import from_predictions
from lab2.measure.predictions import write_predictions
from lab2.measure.scores import score_detections
from lab2.measure.usage import Meter
from lab2.models.building.deploy import deploy
from lab2.results.ledger import note_use
from lab2.results.run_dir import RunDir
from lab2.results.shard import Shard
from lab2.spec.job import Trial
from lab2.train.divergence import check_answers
from lab2.train.precision import dtype_of
from lab2.train.trainer import Trainer

LOG = logging.getLogger("lab2")


def with_test_scores(
    shard: Shard, trial: Trial, run: RunDir, trainer: Trainer, data: TrainingData, step: int
) -> tuple[Shard, Tensor]:
    """`shard` with the scores on the test images, and (N, C, S, S) uint8 test images to measure the cost with.

    The predictions are saved in `run`. The test images are read only here, after all choices are made, and the ledger
    of test-set uses notes it. `step` is the number of the last training step. Raises `TrainingError` where logits are
    not finite, `InputError` where the data set changed during the training.
    """
    plain = load_test(trial.data)
    if (now := open_source(trial.data).sha256()) != data.sha256:
        raise InputError(
            f"{trial.data.dataset}: its files changed while the trial trained (SHA-256 {data.sha256[:12]}, now "
            f"{now[:12]}); start a new run, or restore them, then lab2 resume"
        )
    _note_use(run, trial, data.sha256)
    test = rearranged(plain, trial.data)
    predictions = replace(trainer.predict(test), images=identities(plain.pixels), groups=test.groups)
    check_answers(predictions, step)
    write_predictions(run.predictions(trial.name), predictions)
    if trial.data.corrupted:
        write_corrupted(run.corrupted(trial.name), _right_if_corrupted(trial, trainer, plain))
    measured: dict[str, Any] = from_predictions(predictions, detects=trial.job.model.detects)
    if trial.job.model.detects:
        from lab2.train.detector import DetectorTrainer  # here: torchvision's detectors take a second to import

        assert isinstance(trainer, DetectorTrainer)
        measured |= asdict(score_detections(*trainer.detect(test)))
        measured["boxes"] = "composed" if test.objects is None else "real"
    shard = shard.updated(**measured, classes=len(data.shape.classes))
    return shard, torch.from_numpy(np.array(test.pixels[:THROUGHPUT_BATCH]))


def _note_use(run: RunDir, trial: Trial, dataset_sha256: str) -> None:
    """Note that the test images were read; a note that cannot be written is a warning and costs no result."""
    try:
        note_use(run, trial, dataset_sha256)
    except (OSError, RunError) as error:
        LOG.warning("could not note in %s that the test images were read: %s", run.ledger, error)


def _right_if_corrupted(trial: Trial, trainer: Trainer, plain: Images) -> dict[str, NDArray[np.bool_]]:
    """By corruption, (L, N) whether the trainer's network is right about the N test images at each of L strengths."""
    from lab2.data.corruptions import CORRUPTIONS, STRENGTHS, corrupted  # here: SciPy's filters take long to import

    pixels = plain.pixels
    assert not isinstance(pixels, StoredPixels)  # `rearranged` refuses it
    found: dict[str, list[NDArray[np.bool_]]] = {name: [] for name in CORRUPTIONS}
    for name, right in found.items():
        for strength in range(STRENGTHS):
            images = replace(plain, pixels=corrupted(pixels, name, strength))
            right.append(trainer.predict(rearranged(images, trial.data)).right)
    return {name: np.stack(right) for name, right in found.items()}


def with_inference_cost(shard: Shard, trainer: Trainer, images: Tensor) -> Shard:
    """`shard` with the inference cost of the trainer's network, as it would be deployed.

    This changes the network of `trainer` to its deployed form, so the trainer cannot train after it. `images` are
    (N, C, S, S) uint8; throughput is measured on batches of up to `THROUGHPUT_BATCH` of them.
    """
    trainer.release()
    images = images.to(trainer.device)
    deploy(trainer.model, trainer.infer, images, dtype_of(trainer.precision))
    flops = flops_per_image(trainer.infer, images[:1])
    meter = Meter(trainer.device)
    with meter.running():
        p50, p95 = latency(trainer.infer, images)
    inference_memory = meter.usage.peak_bytes
    with meter.running():
        images_per_second = throughput(trainer.infer, images)
    return shard.updated(
        flops_per_image=flops.count,
        flops_uncounted=", ".join(flops.uncounted),
        inference_memory_bytes=inference_memory,
        latency_p50_seconds=p50.value,
        latency_p50_low_seconds=p50.low,
        latency_p50_high_seconds=p50.high,
        latency_p95_seconds=p95.value,
        latency_p95_low_seconds=p95.low,
        latency_p95_high_seconds=p95.high,
        throughput_images_per_second=images_per_second,
        inference_wait_share=meter.usage.wait_share,
    )
