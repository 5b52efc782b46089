"""What is computed from a trial's predictions, now or of any run that kept them; and mAP, from boxes.

A score is a function of `Predictions`; None where it makes no sense for them. `metrics.py` says which there are.
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
_LEAST = np.finfo(np.float16).smallest_subnormal  # of the probabilities that a file of predictions can hold


def accuracy(predictions: Predictions) -> float:
    """Share of images whose answer is right; `NO_PREDICTION` is a wrong answer."""
    return float((predictions.y_true == predictions.y_pred).mean())


def macro_f1(predictions: Predictions) -> float:
    """Mean of F1 over the classes that there are images of. Source: scikit-learn, `f1_score`.

    A class without an image has no F1: nobody can recognise it or fail to. Who names it is wrong about another class.
    """
    from sklearn.metrics import f1_score

    truth, answer = predictions.y_true, predictions.y_pred
    return float(f1_score(truth, answer, labels=np.unique(truth), average="macro", zero_division=0))


def balanced_accuracy(predictions: Predictions) -> float:
    """Mean over the classes that there are images of, of the share of a class's images that are recognised.

    Source: Brodersen et al. 2010 (ICPR), as `recall_score(average="macro")` of scikit-learn computes it.
    """
    from sklearn.metrics import recall_score

    truth, answer = predictions.y_true, predictions.y_pred
    return float(recall_score(truth, answer, labels=np.unique(truth), average="macro", zero_division=0))


def majority_accuracy(predictions: Predictions) -> float:
    """Accuracy of always naming the class that there are most images of: the best that one answer for all can do."""
    return float(np.bincount(predictions.y_true).max() / len(predictions.y_true))


def test_images(predictions: Predictions) -> int:
    """How many images there are."""
    return len(predictions.y_true)


def tested_classes(predictions: Predictions) -> int:
    """How many classes there are images of."""
    return len(np.unique(predictions.y_true))


def log_loss(predictions: Predictions) -> float | None:
    """Mean of the negative logarithm of the right class's probability, in nats; None where there are no probabilities.

    Files keep probabilities as float16: one that became 0 there counts as the least that is not, 6e-8.
    """
    probabilities = _probabilities(predictions)
    if probabilities is None:
        return None
    right = probabilities[np.arange(len(probabilities)), predictions.y_true]
    return float(-np.log(np.maximum(right, _LEAST)).mean())


def calibration_error(predictions: Predictions) -> float | None:
    """Expected calibration error; None where there are no probabilities.

    The images fall into bins by the probability of their answer, each of 1/15; the difference of mean probability and
    accuracy in a bin, weighted by its images. Source: Guo et al. 2017 (arXiv:1706.04599), equation 3.
    """
    probabilities = _probabilities(predictions)
    if probabilities is None:
        return None
    sure, right = probabilities.max(1), predictions.y_true == predictions.y_pred
    bins = np.clip(np.ceil(sure * CALIBRATION_BINS).astype(int) - 1, 0, CALIBRATION_BINS - 1)  # (0, 1/15], ...
    apart = np.bincount(bins, sure, CALIBRATION_BINS) - np.bincount(bins, right, CALIBRATION_BINS)
    return float(np.abs(apart).sum() / len(sure))


def _probabilities(predictions: Predictions) -> NDArray[np.float64] | None:
    """(N, K) that sum to 1 for each image; None for a detector's scores, which do not."""
    given = predictions.probabilities
    if given is None or not np.allclose(given.sum(1), 1, atol=0.01):
        return None
    wide: NDArray[np.float64] = given.astype(np.float64)
    wide /= wide.sum(1, keepdims=True)
    return wide


@dataclass(frozen=True, slots=True)
class DetectionScores:
    """Mean average precision as COCO defines it, fractions in [0, 1]."""

    map_50: float  # at an intersection over union of 0.5
    map_50_95: float  # mean over 0.5, 0.55, ... 0.95


def score_detections(found: Iterable[dict[str, Tensor]], wanted: Iterable[dict[str, Tensor]]) -> DetectionScores:
    """Score `boxes`, `labels` and `scores` against `boxes` and `labels`, image by image."""
    import torch
    from torchmetrics.detection import MeanAveragePrecision

    metric = MeanAveragePrecision(
        box_format="xyxy",
        iou_type="bbox",
        backend="faster_coco_eval",
        # torchmetrics' own are rounded to float32: a recall of exactly 0.3 would lie below the threshold of 0.3.
        iou_thresholds=np.linspace(0.5, 0.95, 10).tolist(),
        rec_thresholds=np.linspace(0, 1, 101).tolist(),
    )
    logging.getLogger("faster_coco_eval").setLevel(logging.WARNING)  # it writes twenty lines for two numbers
    metric.warn_on_many_detections = False
    with torch.inference_mode():
        metric.update(list(found), list(wanted))
        result = metric.compute()
    return DetectionScores(map_50=float(result["map_50"]), map_50_95=float(result["map"]))
