"""Predictions for the test images, in memory and in a safetensors file, whose reading executes no code.

The file's metadata say `predictions 2` where it holds the images' identities, and `predictions 1` where it does not, as
those of older versions; `predictions 3` where it holds no probabilities, which only imported ones may lack. All are
read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from lab2.errors import ShardError
from lab2.regular_file import LARGE, check_regular
from lab2.whole_file import write_whole

MOST_CLASSES = 2**15  # labels are stored as int16
UNSCORED = "predictions 3"
NO_PREDICTION = -1  # a detector found nothing in the image: it counts as a wrong answer


@dataclass(frozen=True, slots=True)
class Predictions:
    """True and predicted labels of N images, and class probabilities (for a detector the best score of each class)."""

    y_true: NDArray[np.int64]  # (N,)
    y_pred: NDArray[np.int64]  # (N,), `NO_PREDICTION` where there is none
    probabilities: NDArray[np.float32] | None = None  # (N, K)
    images: NDArray[np.uint64] | None = None  # (N,) identities (`lab2/data/identity.py`); None: not known
    groups: NDArray[np.int64] | None = None  # (N,) images of one writer, patient or scene have one number; None: none
    # (N, 4) a detector's best box: left, top, right and bottom as shares of the side, NaN where it found none.
    boxes: NDArray[np.float32] | None = None

    @property
    def right(self) -> NDArray[np.bool_]:
        """(N,) whether the answer is right; no answer is a wrong one."""
        found: NDArray[np.bool_] = self.y_true == self.y_pred
        return found


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write them as safetensors: int16 labels, float16 probabilities, uint64 identities, float16 boxes.

    That is 32 bytes per image for ten classes, 40 with boxes. Raises `OSError` where the file cannot be written.
    """
    shares = predictions.probabilities
    scored = {} if shares is None else {"probabilities": shares.astype(np.float16)}
    known = {} if predictions.images is None else {"images": predictions.images.astype(np.uint64)}
    grouped = {} if predictions.groups is None else {"groups": predictions.groups.astype(np.int64)}
    boxed = {} if predictions.boxes is None else {"boxes": predictions.boxes.astype(np.float16)}
    content = save(
        {
            "y_true": predictions.y_true.astype(np.int16),
            "y_pred": predictions.y_pred.astype(np.int16),
            **scored,
            **known,
            **grouped,
            **boxed,
        },
        metadata={"lab2": UNSCORED if not scored else "predictions 2" if known else "predictions 1"},
    )
    write_whole(path, content)


def read_predictions(path: Path, *, probabilities: bool = True) -> Predictions:
    """Read predictions. Raises `ShardError` for a file that is missing, cut off or holds something else.

    Without `probabilities` these are not read, which is faster; they are checked as far as their shape tells.
    """
    try:
        check_regular(path, LARGE)
        with safe_open(path, framework="numpy") as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in sorted(file.keys())}
            truth, answer = (file.get_tensor(name).astype(np.int64) for name in ("y_true", "y_pred"))
            unscored = (file.metadata() or {}).get("lab2") == UNSCORED
            of_scores = (*truth.shape, MOST_CLASSES) if unscored else shapes["probabilities"]
            read_scores = probabilities and not unscored
            scores = file.get_tensor("probabilities").astype(np.float32) if read_scores else None
            more = ("images", "groups", "boxes")
            images, groups, boxes = (file.get_tensor(name) if name in shapes else None for name in more)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ShardError(f"{path}: not the predictions of a trial: {error}") from error
    classes = of_scores[-1:]
    if not (truth.ndim == 1 and len(truth) and truth.shape == answer.shape == of_scores[:-1] and classes):
        found = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ShardError(f"{path}: not the predictions of a trial: found {found}, wanted (N,), (N,) and (N, K)")
    if truth.min() < 0 or max(truth.max(), answer.max()) >= classes[0] or answer.min() < NO_PREDICTION:
        raise ShardError(f"{path}: not the predictions of a trial: labels beyond its {classes[0]} classes")
    for name, found_of, wanted, shape in (
        ("images", images, np.uint64, truth.shape),
        ("groups", groups, np.int64, truth.shape),
        ("boxes", boxes, np.float16, (*truth.shape, 4)),
    ):
        if found_of is not None and (found_of.shape != shape or found_of.dtype != wanted):
            raise ShardError(
                f"{path}: not the predictions of a trial: {name} are {found_of.dtype} of shape {found_of.shape}, "
                f"wanted {np.dtype(wanted)} of shape {shape}"
            )
    return Predictions(truth, answer, scores, images, groups, None if boxes is None else boxes.astype(np.float32))


def count_probabilities(path: Path) -> int:
    """How many probabilities a file of `write_predictions` holds, from its header. Raises `ShardError`."""
    try:
        check_regular(path, LARGE)
        with safe_open(path, framework="numpy") as file:
            held = "probabilities" in set(file.keys())
            return math.prod(file.get_slice("probabilities").get_shape()) if held else 0
    except (OSError, SafetensorError) as error:
        raise ShardError(f"{path}: not the predictions of a trial: {error}") from error
