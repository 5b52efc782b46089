"""Scores that are computed from a trial's saved predictions, also for old runs; and mAP, from boxes.

A score is a function of `Predictions` that returns None where it is not defined for them. `metrics.py` lists them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lab2.measure.predictions import Predictions

if TYPE_CHECKING:
    from torch import Tensor

CALIBRATION_BINS = 15
_LEAST = np.finfo(np.float16).smallest_subnormal  # the least probability that a file of predictions can hold


def accuracy(predictions: Predictions) -> float:
    """Share of images whose answer is right; `NO_PREDICTION` is a wrong answer."""
    return float(predictions.right.mean())


def macro_f1(predictions: Predictions) -> float:
    """Mean of F1 over the classes that have test images, as scikit-learn's `f1_score` defines it.

    A class without an image has no F1. A wrong prediction of such a class lowers the recall of the image's true class.
    """
    tested, hits, answered = _counts(predictions)
    there = tested > 0
    return float(np.mean(2 * hits[there] / (tested[there] + answered[there])))


def balanced_accuracy(predictions: Predictions) -> float:
    """Mean of the recall over the classes that have test images.

    Source: Brodersen et al. 2010 (ICPR).
    """
    tested, hits, _ = _counts(predictions)
    there = tested > 0
    return float(np.mean(hits[there] / tested[there]))


def _counts(predictions: Predictions) -> list[NDArray[np.int64]]:
    """By class: images of it, right answers among them, and answers that name it."""
    truth, answer = predictions.y_true, predictions.y_pred
    classes = int(max(truth.max(), answer.max())) + 1
    named = answer[answer >= 0]
    return [np.bincount(of, minlength=classes) for of in (truth, truth[predictions.right], named)]


def majority_accuracy(predictions: Predictions) -> float:
    """Accuracy of always naming the most frequent class: the best that a constant answer can reach."""
    return float(np.bincount(predictions.y_true).max() / len(predictions.y_true))


def count_images(predictions: Predictions) -> int:
    """The number of test images."""
    return len(predictions.y_true)


def tested_classes(predictions: Predictions) -> int:
    """The number of classes that have test images."""
    return len(np.unique(predictions.y_true))


def log_loss(predictions: Predictions) -> float | None:
    """Mean of the negative logarithm of the true class's probability, in nats; None where there are no probabilities.

    Files hold probabilities as float16. A probability that was rounded to 0 counts as the least positive one, 6e-8.
    """
    probabilities = class_probabilities(predictions)
    return None if probabilities is None else float(losses(probabilities, predictions.y_true).mean())


def losses(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """(N,) the negative logarithm of the label's probability, in nats; `probabilities` are (N, K)."""
    found: NDArray[np.float64] = -np.log(np.maximum(probabilities[np.arange(len(labels)), labels], _LEAST))
    return found


def calibration_error(predictions: Predictions) -> float | None:
    """Expected calibration error; None where there are no probabilities.

    The images are put into 15 equal bins by the probability of their answer. The error is the mean over the bins of
    |mean probability - accuracy|, weighted by the number of images. Source: Guo et al. 2017 (arXiv:1706.04599),
    equation 3.
    """
    probabilities = class_probabilities(predictions)
    if probabilities is None:
        return None
    confidence, right = probabilities.max(1), predictions.y_true == predictions.y_pred
    bins = confidence_bins(confidence)
    gaps = np.bincount(bins, confidence, CALIBRATION_BINS) - np.bincount(bins, right, CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / len(confidence))


def confidence_bins(confidence: NDArray[np.floating]) -> NDArray[np.intp]:
    """The bin of each confidence, from 0: (0, 1/15], (1/15, 2/15] and so on."""
    bins: NDArray[np.intp] = np.ceil(confidence * CALIBRATION_BINS).astype(np.intp) - 1
    return np.clip(bins, 0, CALIBRATION_BINS - 1, out=bins)


def class_probabilities(predictions: Predictions) -> NDArray[np.float64] | None:
    """(N, K) probabilities, scaled to sum to 1 for each image; None for a detector's scores, which do not sum to 1."""
    saved = predictions.probabilities
    if saved is None or not np.allclose(saved.sum(1), 1, atol=0.01):
        return None
    probabilities: NDArray[np.float64] = saved.astype(np.float64)
    probabilities /= probabilities.sum(1, keepdims=True)
    return probabilities


@dataclass(frozen=True, slots=True)
class DetectionScores:
    """Mean average precision as COCO defines it, fractions in [0, 1]."""

    map_50: float  # at an intersection over union of 0.5
    map_50_95: float  # mean over 0.5, 0.55, ... 0.95


def score_detections(found: Iterable[dict[str, Tensor]], wanted: Iterable[dict[str, Tensor]]) -> DetectionScores:
    """mAP of the detections `found` (`boxes`, `labels`, `scores`) against the truth `wanted` (`boxes`, `labels`).

    Both hold one dictionary per image; boxes are (D, 4) in pixels, x1, y1, x2, y2.
    """
    import torch
    from torchmetrics.detection import MeanAveragePrecision

    metric = MeanAveragePrecision(
        box_format="xyxy",
        iou_type="bbox",
        backend="faster_coco_eval",
        # The defaults of torchmetrics are rounded to float32: a recall of exactly 0.3 would be below its threshold 0.3.
        iou_thresholds=np.linspace(0.5, 0.95, 10).tolist(),
        rec_thresholds=np.linspace(0, 1, 101).tolist(),
    )
    logging.getLogger("faster_coco_eval").setLevel(logging.WARNING)  # at INFO it logs a table of twenty lines
    metric.warn_on_many_detections = False
    with torch.inference_mode():
        metric.update(list(found), list(wanted))
        result = metric.compute()
    return DetectionScores(map_50=float(result["map_50"]), map_50_95=float(result["map"]))
