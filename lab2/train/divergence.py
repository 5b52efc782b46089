"""Detects a training that has diverged: its loss, gradient, weights or logits are not finite."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from lab2.errors import TrainingError
from lab2.measure.predictions import Predictions
from lab2.train.stage import Step

_ADVICE = "try a smaller train.learning_rate, or a longer train.warmup"


class Guard:
    """Finds the first step whose loss or gradient is not finite.

    It collects the steps and reads their tensors only in `check`: reading after each step would wait for the
    accelerator each time.
    """

    def __init__(self) -> None:
        self._unread: list[tuple[Step, Tensor]] = []

    def saw(self, step: Step) -> None:
        """Collect a step for the next `check`. Its tensors are not read yet."""
        # The sum is finite if both are. For a step that fp16 skipped only the loss counts: its gradient overflowed.
        if step.loss is not None:
            self._unread.append((step, step.loss if step.skipped else step.loss + step.gradient_norm))

    def check(self) -> None:
        """Raise `TrainingError` that names the first step since the last check that diverged; nothing if none did."""
        if not self._unread:
            return
        finite = torch.stack([total for _, total in self._unread]).isfinite().tolist()
        bad = next((step for (step, _), is_finite in zip(self._unread, finite, strict=True) if not is_finite), None)
        self._unread.clear()
        if bad is not None:
            assert bad.loss is not None
            raise TrainingError(
                f"the training diverged at step {bad.number} of {bad.total}: loss {float(bad.loss):.3g}, norm of the "
                f"gradient {float(bad.gradient_norm):.3g}; {_ADVICE}"
            )


def check_weights(model: nn.Module, step: int) -> None:
    """Raise `TrainingError` where a parameter or a buffer of `model` is not finite after `step`."""
    state = model.state_dict().items()
    wrong = [name for name, value in state if value.is_floating_point() and not bool(value.isfinite().all())]
    if wrong:
        raise TrainingError(
            f"the training diverged by step {step}: {wrong[0]} holds numbers that are not finite; {_ADVICE}"
        )


def check_answers(predictions: Predictions, step: int) -> None:
    """Raise `TrainingError` where logits after `step` were not finite: their probabilities are NaN."""
    assert predictions.probabilities is not None
    wrong = int(np.isnan(predictions.probabilities).any(1).sum())
    if wrong:
        raise TrainingError(
            f"the training diverged by step {step}: the logits of {wrong:,} of {len(predictions.y_true):,} images are "
            f"not finite numbers; {_ADVICE}"
        )
