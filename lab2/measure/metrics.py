"""Scores: the same lines for every architecture."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from sklearn.metrics import accuracy_score, f1_score
from torch import Tensor

from lab2.measure.predictions import Predictions


@dataclass(frozen=True, slots=True)
class Scores:
    """Fractions in [0, 1]."""

    accuracy: float
    macro_f1: float  # mean over the classes; one that is nowhere predicted counts 0


@dataclass(frozen=True, slots=True)
class DetectionScores:
    """Mean average precision as COCO defines it, fractions in [0, 1]."""

    map_50: float  # at an intersection over union of 0.5
    map_50_95: float  # mean over 0.5, 0.55, ... 0.95


def score(predictions: Predictions, num_classes: int) -> Scores:
    """Accuracy and macro F1; `NO_PREDICTION` is a wrong answer of no class."""
    truth, answer = predictions.y_true, predictions.y_pred
    f1 = f1_score(truth, answer, labels=range(num_classes), average="macro", zero_division=0)
    return Scores(accuracy=float(accuracy_score(truth, answer)), macro_f1=float(f1))


def score_detections(found: Iterable[dict[str, Tensor]], wanted: Iterable[dict[str, Tensor]]) -> DetectionScores:
    """Score `boxes`, `labels` and `scores` against `boxes` and `labels`, image by image."""
    from torchmetrics.detection import MeanAveragePrecision  # half a second to import; detectors only

    metric = MeanAveragePrecision(box_format="xyxy", iou_type="bbox", backend="faster_coco_eval")
    logging.getLogger("faster_coco_eval").setLevel(logging.WARNING)  # it tells twenty lines for two numbers
    metric.warn_on_many_detections = False
    with torch.inference_mode():
        metric.update(list(found), list(wanted))
        result = metric.compute()
    return DetectionScores(map_50=float(result["map_50"]), map_50_95=float(result["map"]))
