"""Predictions for the test images, in memory and in a safetensors file, whose reading executes no code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from lab2.errors import ShardError
from lab2.regular_file import LARGE, check_regular
from lab2.whole_file import write_whole

NO_PREDICTION = -1  # a detector found nothing in the image: it counts as a wrong answer


@dataclass(frozen=True, slots=True)
class Predictions:
    """True and predicted labels of N images, and class probabilities (for a detector the best score of each class)."""

    y_true: NDArray[np.int64]  # (N,)
    y_pred: NDArray[np.int64]  # (N,), `NO_PREDICTION` where there is none
    probabilities: NDArray[np.float32] | None = None  # (N, K)


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write them as safetensors: int16 labels and float16 probabilities, 24 bytes per image for ten classes.

    Raises `OSError` where the file cannot be written.
    """
    assert predictions.probabilities is not None
    content = save(
        {
            "y_true": predictions.y_true.astype(np.int16),
            "y_pred": predictions.y_pred.astype(np.int16),
            "probabilities": predictions.probabilities.astype(np.float16),
        },
        metadata={"lab2": "predictions 1"},
    )
    write_whole(path, content)


def read_predictions(path: Path) -> Predictions:
    """Read predictions. Raises `ShardError` for a file that is missing, cut off or holds something else."""
    try:
        check_regular(path, LARGE)
        arrays = load_file(path)
        truth, answer = arrays["y_true"].astype(np.int64), arrays["y_pred"].astype(np.int64)
        probabilities = arrays["probabilities"].astype(np.float32)
    except (OSError, SafetensorError, KeyError) as error:
        raise ShardError(f"{path}: not the predictions of a trial: {error}") from error
    if not (probabilities.ndim == 2 and truth.shape == answer.shape == probabilities.shape[:1] and len(truth)):
        shapes = ", ".join(f"{name} {array.shape}" for name, array in sorted(arrays.items()))
        raise ShardError(f"{path}: not the predictions of a trial: found {shapes}, wanted (N,), (N,) and (N, K)")
    classes = probabilities.shape[1]
    if truth.min() < 0 or max(truth.max(), answer.max()) >= classes or answer.min() < NO_PREDICTION:
        raise ShardError(f"{path}: not the predictions of a trial: labels beyond its {classes} classes")
    return Predictions(truth, answer, probabilities)
