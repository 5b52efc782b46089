"""The training loops for detectors, and their trainer.

Where the data set has boxes, a detector is trained and tested on its images. Elsewhere it is trained on scenes that are
composed of them, and tested on composed scenes (mAP) and on single images (accuracy).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.profiler import record_function

from lab2.data.annotation import Objects
from lab2.data.scenes import compose, ink_boxes
from lab2.data.source import Images
from lab2.data.stored import StoredPixels
from lab2.measure.batch import images_at_a_time
from lab2.measure.predictions import NO_PREDICTION, Predictions
from lab2.models.faster_rcnn import FasterRCNNConfig
from lab2.models.layers.detector import Detector
from lab2.models.layers.roi_align import STRIDE
from lab2.spec.job import TrainConfig
from lab2.train.classifier import to_unit
from lab2.train.optimizer import groups
from lab2.train.precision import autocast
from lab2.train.stage import Stage, Step
from lab2.train.streamed import StreamedImages, batches, on_device
from lab2.train.trainer import Trainer, evaluating

SCENE_SEED = 20260102  # of the test scenes: the same for all trials, whatever their seed
PREDICT_PIXELS = 250 * 112 * 112  # the most pixels at a time; it affects memory, not results
PREDICT_BATCH = 250  # the most images at a time
PIECE = 1000  # images of a file in which ink is looked for at a time

Found = dict[str, Tensor]  # for one image: (D, 4) boxes in pixels, (D,) labels; for detections also (D,) scores


def scene_side(config: FasterRCNNConfig, image_side: int) -> int:
    """The side of a scene in pixels, rounded up to a multiple of the backbone's stride."""
    return -(-round(config.canvas * image_side) // STRIDE) * STRIDE


def fit(
    model: Detector, stage: Stage, images: Tensor | StreamedImages, labels: Tensor, *, precision: str
) -> Iterator[Step]:
    """Train `model` on scenes that are composed anew for each batch; yields after each step.

    `images` are (N, C, S, S) uint8 on the network's device, `labels` (N,) on the CPU. `batch_size` counts images, as
    for a classifier: a batch has as many scenes as are needed to show them all.
    """
    plain = model.shape.plain_background
    pieces = [images] if isinstance(images, Tensor) else (images[i : i + PIECE] for i in range(0, len(images), PIECE))
    boxes = torch.cat([ink_boxes(piece, plain).cpu() for piece in pieces])
    side, objects = scene_side(model.config, images.shape[-1]), model.config.max_objects
    loss_of = partial(_loss, model, precision)
    for index in stage:
        with record_function("data"):
            scenes = compose(
                _taken(images, index),
                labels[index],
                boxes[index],
                side=side,
                max_objects=objects,
                generator=stage.generator,
            )
            batch, draws = to_unit(scenes.images), model.draw(len(scenes.images), side, objects)
        yield stage.step(loss_of, batch, scenes.boxes, scenes.labels, scenes.present, draws)


def fit_boxes(
    model: Detector, stage: Stage, images: Tensor | StreamedImages, objects: Sequence[Objects], *, precision: str
) -> Iterator[Step]:
    """Train `model` on (N, C, S, S) uint8 images on its device and the N `objects` in them; yields after each step."""
    device = images.device
    # The most in any image, so that all batches have one shape. A CPU needs none, and works through all that is padded.
    most = 1 if device.type == "cpu" else max(len(one.labels) for one in objects)
    loss_of = partial(_loss, model, precision)
    for index in stage:
        with record_function("data"):
            batch = to_unit(_taken(images, index))
            boxes, labels, present = padded([objects[number] for number in index.tolist()], most, device)
            draws = model.draw(len(batch), batch.shape[-1], labels.shape[1])
        yield stage.step(loss_of, batch, boxes, labels, present, draws)


def _loss(model: Detector, precision: str, images: Tensor, *truth_and_draws: Tensor) -> Tensor:
    with autocast(images.device, precision):
        return model.losses(images, *truth_and_draws)


def padded(objects: Sequence[Objects], least: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes (B, M, 4) and labels (B, M) of the objects in B images, and which of the M there are (B, M).

    M is the most in one of them, and `least` or more.
    """
    most = max(least, *(len(one.labels) for one in objects))
    boxes, labels = np.zeros((len(objects), most, 4), np.float32), np.zeros((len(objects), most), np.int64)
    for number, one in enumerate(objects):
        boxes[number, : len(one.labels)], labels[number, : len(one.labels)] = one.boxes, one.labels
    counts = np.array([len(one.labels) for one in objects])
    present = np.arange(most) < counts[:, None]
    first, second, third = (torch.from_numpy(x).to(device, non_blocking=True) for x in (boxes, labels, present))
    return first, second, third


def truth(objects: Objects) -> Found:
    """The boxes and labels of one image."""
    return {"boxes": torch.from_numpy(objects.boxes), "labels": torch.from_numpy(objects.labels)}


def _taken(images: Tensor | StreamedImages, index: Tensor) -> Tensor:
    """Those of the `index` (B,), which is on the CPU; on the device of `images`."""
    return images[index.to(images.device, non_blocking=True)] if isinstance(images, Tensor) else images[index]


class DetectorTrainer(Trainer):
    """Trains a detector on boxes or on scenes. It predicts the labels of single images, and boxes."""

    model: Detector

    def __init__(
        self, model: Detector, config: TrainConfig, train: Images, *, device: torch.device, precision: str, seed: int
    ) -> None:
        super().__init__(model, config, train, device=device, precision=precision, seed=seed)
        self.images = on_device(self.images, device)
        self.objects = train.objects

    def fit(self) -> Iterator[Step]:
        """Train all parameters, region proposals and RoI heads together."""
        self.model.train()
        stage = self.start_stage("all", groups(self.model, self.config), self.config.epochs)
        if self.objects is not None:
            yield from fit_boxes(self.model, stage, self.images, self.objects, precision=self.precision)
        else:
            yield from fit(self.model, stage, self.images, self.labels, precision=self.precision)

    def infer(self, images: Tensor) -> list[dict[str, Tensor]]:
        """The `boxes`, `labels` and `scores` that it detects in each of the (N, C, W, W) uint8 images."""
        with autocast(self.device, self.precision):
            detections: list[dict[str, Tensor]] = self.model(to_unit(images))
        return detections

    def predict(self, images: Images) -> Predictions:
        """The label of the best box in each image, `NO_PREDICTION` where it found none: the detector as a classifier.

        Instead of probabilities it gives, for each class, the score of the best box, 0 where there is none.
        """
        labels = torch.full((len(images),), NO_PREDICTION)
        scores = torch.zeros(len(images), len(self.model.shape.classes))
        boxes = torch.full((len(images), 4), torch.nan)
        size = images.pixels.shape[-1]
        for i, found in enumerate(self._detect(batches(images.pixels, _batch_size(size)))):
            scores[i].scatter_reduce_(0, found["labels"], found["scores"].float(), "amax")
            if len(found["scores"]):
                best = found["scores"].argmax()
                labels[i], boxes[i] = found["labels"][best], found["boxes"][best].float() / size
        return Predictions(images.labels, labels.numpy(), scores.numpy(), boxes=boxes.numpy())

    def detect(self, images: Images) -> tuple[list[Found], list[Found]]:
        """Its detections in `images` and the boxes in them; where they have none, those of `detect_scenes`."""
        if images.objects is None:
            return self.detect_scenes(images)
        found = self._detect(batches(images.pixels, _batch_size(images.pixels.shape[-1])))
        return list(found), [truth(one) for one in images.objects]

    def detect_scenes(self, images: Images) -> tuple[list[Found], list[Found]]:
        """Its detections in test scenes made of `images`, and the truth. The scenes are the same for every trial."""
        config = self.model.config
        if isinstance(images.pixels, StoredPixels):  # no more of them than the scenes show
            shown = config.test_scenes * config.max_objects
            images = images.take(np.random.default_rng(SCENE_SEED).permutation(len(images))[:shown])
        repeats = -(-config.test_scenes * config.max_objects // len(images))  # enough images for all scenes
        pixels = torch.from_numpy(np.asarray(images.pixels)).repeat(repeats, 1, 1, 1)
        scenes = compose(
            pixels,
            torch.from_numpy(images.labels).repeat(repeats),
            ink_boxes(pixels, self.model.shape.plain_background),
            side=scene_side(config, images.pixels.shape[-1]),
            max_objects=config.max_objects,
            generator=torch.Generator().manual_seed(SCENE_SEED),
        )
        placed = [
            {"boxes": boxes[mask], "labels": labels[mask]}
            for boxes, labels, mask in zip(scenes.boxes, scenes.labels, scenes.present, strict=True)
        ]
        tested = scenes.images[: config.test_scenes]
        return list(self._detect(tested.split(_batch_size(tested.shape[-1])))), placed[: config.test_scenes]

    def _detect(self, parts: Iterable[Tensor]) -> Iterator[dict[str, Tensor]]:
        """What `infer` gives for each image of the (B, C, W, W) uint8 batches `parts`, moved to the CPU."""
        with evaluating(self.model):
            for batch in parts:
                for found in self.infer(batch.to(self.device)):
                    yield {name: value.cpu() for name, value in found.items()}


def _batch_size(side: int) -> int:
    """How many images of `side` pixels are predicted at a time."""
    return images_at_a_time(side, PREDICT_BATCH, PREDICT_PIXELS)
