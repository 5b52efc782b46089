"""Scores: the same lines for every architecture."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, f1_score
from torch import Tensor

from lab2.measure.predictions import Predictions


@dataclass(frozen=True, slots=True)
class Scores:
    """Fractions in [0, 1]."""

    accuracy: float
    macro_f1: float  # mean over the classes that there are images of; one that is nowhere predicted counts 0


@dataclass(frozen=True, slots=True)
class DetectionScores:
    """Mean average precision as COCO defines it, fractions in [0, 1]."""

    map_50: float  # at an intersection over union of 0.5
    map_50_95: float  # mean over 0.5, 0.55, ... 0.95


def score(predictions: Predictions) -> Scores:
    """Accuracy and macro F1; `NO_PREDICTION` is a wrong answer of no class.

    A class without an image has no F1: nobody can recognise it or fail to. Who names it is wrong about another class.
    """
    truth, answer = predictions.y_true, predictions.y_pred
    f1 = f1_score(truth, answer, labels=np.unique(truth), average="macro", zero_division=0)
    return Scores(accuracy=float(accuracy_score(truth, answer)), macro_f1=float(f1))


def majority_accuracy(labels: NDArray[np.int64]) -> float:
    """Accuracy of always naming the class that `labels` have most of: the best that one answer for all can do."""
    return float(np.bincount(labels).max() / len(labels))


def score_detections(found: Iterable[dict[str, Tensor]], wanted: Iterable[dict[str, Tensor]]) -> DetectionScores:
    """Score `boxes`, `labels` and `scores` against `boxes` and `labels`, image by image."""
    from torchmetrics.detection import MeanAveragePrecision  # half a second to import; detectors only

    metric = MeanAveragePrecision(
        box_format="xyxy",
        iou_type="bbox",
        backend="faster_coco_eval",
        # torchmetrics' own are rounded to float32: a recall of exactly 0.3 would lie below the threshold of 0.3.
        iou_thresholds=np.linspace(0.5, 0.95, 10).tolist(),
        rec_thresholds=np.linspace(0, 1, 101).tolist(),
    )
    logging.getLogger("faster_coco_eval").setLevel(logging.WARNING)  # it tells twenty lines for two numbers
    metric.warn_on_many_detections = False
    with torch.inference_mode():
        metric.update(list(found), list(wanted))
        result = metric.compute()
    return DetectionScores(map_50=float(result["map_50"]), map_50_95=float(result["map"]))
