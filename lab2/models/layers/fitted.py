"""Classifiers that are fitted to all training images in one step, as scikit-learn does it; torch computes the answers.

Shapes: B images, C channels, S side (pixels), D numbers of an image that are compared, N training images, K classes.
Images are in [0, 1], not normalised: that would change what is near, and what the penalty of the weights means.
"""

from __future__ import annotations

import logging
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lab2.data.datasets import DataShape

if TYPE_CHECKING:
    from lab2.models.logistic_regression import LogisticRegressionConfig
    from lab2.models.nearest_neighbour import NearestNeighbourConfig

LOG = logging.getLogger("lab2")

NEVER = -1e4  # the logit of what is impossible: its probability is 0, and it is a finite number
CANDIDATES = 8  # training images of which the distance is computed exactly


class Fitted(nn.Module, ABC):
    """Takes (B, C, S, S) images in [0, 1], gives (B, K) logits."""

    most_images: int | None = None  # to which it is fitted; None: all
    predict_batch = 500  # images at a time; it affects memory, not results

    @abstractmethod
    def fit(self, batches: Iterable[Tensor], labels: Tensor) -> None:
        """Fit it to all images, (B, C, S, S) in [0, 1] at a time in the order of the (N,) `labels`; both on the CPU."""


class CommonestClass(Fitted):
    """The logarithm of each class's share of the training images, whatever the image."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.log_shares = nn.Parameter(torch.zeros(classes))

    def fit(self, batches: Iterable[Tensor], labels: Tensor) -> None:  # noqa: ARG002  # no image is looked at
        """Count the labels."""
        counts = labels.bincount(minlength=len(self.log_shares))
        with torch.no_grad():
            self.log_shares.copy_((counts / len(labels)).log().clamp(min=NEVER))

    def forward(self, images: Tensor) -> Tensor:
        return self.log_shares + images.new_zeros(len(images), 1)  # (B, K)


class OnPixels(Fitted):
    """Sees the (B, D) pixels of the images; those of large images are averaged first."""

    def __init__(self, side: int, most_images: int, shape: DataShape) -> None:
        super().__init__()
        self.side, self.most_images = min(side, shape.side), most_images
        self.numbers = shape.channels * self.side**2  # D

    def see(self, images: Tensor) -> Tensor:
        """(B, D) of (B, C, S, S)."""
        if images.shape[-1] != self.side:
            images = F.adaptive_avg_pool2d(images, self.side)  # (B, C, side, side)
        return images.flatten(1)

    def see_all(self, batches: Iterable[Tensor], count: int) -> Tensor:
        """(N, D), where `count` is N."""
        rows, start = torch.empty(count, self.numbers), 0
        for images in batches:
            rows[start : start + len(images)] = self.see(images)
            start += len(images)
        return rows


class LogisticRegression(OnPixels):
    """A linear map of the pixels."""

    def __init__(self, config: LogisticRegressionConfig, shape: DataShape) -> None:
        super().__init__(config.averaged_side, config.most_images, shape)
        self.penalty, self.most_iterations = config.penalty, config.most_iterations
        self.linear = nn.Linear(self.numbers, len(shape.classes))

    @torch.no_grad()
    def fit(self, batches: Iterable[Tensor], labels: Tensor) -> None:
        """By scikit-learn's L-BFGS, in float32 on one core. A class without a training image is impossible.

        One core: its products are narrow (N x D by D x K), and threads that wait for each other after each of them
        make it many times slower where the machine is busy. So its bits do not depend on the number of cores, either.
        """
        from sklearn.exceptions import ConvergenceWarning  # loads OpenMP
        from sklearn.linear_model import LogisticRegression as Solver
        from threadpoolctl import threadpool_limits

        weight, bias = self.linear.weight, self.linear.bias
        known = labels.unique()
        weight.zero_()
        bias.fill_(NEVER)[known] = 0.0
        if len(known) == 1:  # the solver wants two
            return
        solver = Solver(C=1 / self.penalty, max_iter=self.most_iterations)
        with warnings.catch_warnings(), threadpool_limits(1):
            warnings.simplefilter("ignore", ConvergenceWarning)
            solver.fit(self.see_all(batches, len(labels)).numpy(), labels.numpy())
        LOG.info("%d iterations of at most %d", int(solver.n_iter_.max()), self.most_iterations)
        rows = known if len(known) > 2 else known[1:]  # of two classes it gives the logit of the second
        weight[rows] = torch.from_numpy(solver.coef_).to(weight)
        bias[rows] = torch.from_numpy(solver.intercept_).to(bias)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.linear(self.see(images))  # (B, K)
        return logits


class NearestNeighbour(OnPixels):
    """The label of the nearest training image; among equally near ones, of the first of them.

    The squared distance is first computed by a matrix product, |t|² - 2 t·x, which is fast and not exact: the digits
    that two near images share cancel. So the nearest `CANDIDATES` are found by it, and the nearest of these exactly.
    """

    kept: Tensor  # (N, D)
    labels: Tensor  # (N,)
    half_squares: Tensor  # (N,)
    answers: Tensor  # (K, K): of each label its logits

    predict_batch = 100  # each image has N distances

    def __init__(self, config: NearestNeighbourConfig, shape: DataShape) -> None:
        super().__init__(config.averaged_side, config.most_images, shape)
        # No buffer is persistent: a checkpoint would hold a copy of the training images.
        self.register_buffer("answers", (torch.eye(len(shape.classes)) - 1) * -NEVER, persistent=False)
        self._keep(torch.zeros(1, self.numbers), torch.zeros(1, dtype=torch.int64))

    def _keep(self, pixels: Tensor, labels: Tensor) -> None:
        half_squares = torch.cat([part.square().sum(1) / 2 for part in pixels.split(1000)])  # no copy of all of them
        for name, value in (("kept", pixels), ("labels", labels), ("half_squares", half_squares)):
            self.register_buffer(name, value, persistent=False)

    def fit(self, batches: Iterable[Tensor], labels: Tensor) -> None:
        """Keep the pixels."""
        device = self.answers.device
        self._keep(self.see_all(batches, len(labels)).to(device), labels.to(device))

    def forward(self, images: Tensor) -> Tensor:
        seen = self.see(images)  # (B, D)
        roughly = torch.addmm(self.half_squares, seen, self.kept.T, alpha=-1)  # (B, N): half of |t - x|² - |x|²
        near = roughly.topk(min(CANDIDATES, len(self.kept)), largest=False).indices  # (B, candidates)
        near = near.sort(dim=1).values  # the first image first, which `argmin` takes of equals
        exactly = (self.kept[near] - seen[:, None]).square().sum(2)  # (B, candidates)
        nearest = near.gather(1, exactly.argmin(1, keepdim=True)).squeeze(1)  # (B,)
        return self.answers[self.labels[nearest]]  # (B, K)
