"""How a recipe that was made for one set of images becomes one for another: its length, its batch, its learning rate.

A recipe whose length is in images (`train.images`) states it for 60,000 training images of ten classes. On N images of
K classes a network sees

    images * sqrt(N / 60,000) * max(1, sqrt(K / 10)), and a quarter of it where it begins with pre-trained weights.

A smaller set is seen in more passes but fewer steps: it holds less to learn, and a network overfits it sooner. The side
of the images changes nothing: it changes what an image costs, and that is what a budget is for. The exponents and the
shares below are conventions; no measurement has chosen them yet.

The batch is at most 1/32 of the training images, so that a pass has 32 steps, but not under 8 images where there are
so many. Where it becomes smaller, so does the learning rate: for SGD in proportion (Goyal et al. 2017,
arXiv:1706.02677), for AdamW and Muon with the square root (Malladi et al. 2022, arXiv:2205.10287).

A recipe whose length is in epochs was made for its data set, and stays as it is, unless a budget gives the length.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from lab2.spec.architectures import TransferConfig
from lab2.spec.budget import parse_budget
from lab2.spec.job import JobSpec
from lab2.spec.recipe import TrainConfig

REFERENCE_IMAGES = 60_000
REFERENCE_CLASSES = 10
PRETRAINED_SHARE = 0.25  # of the length from random weights
LARGEST_BATCH = 1 / 32  # of the training images
SMALLEST_BATCH = 8  # images: normalisation over fewer says little
HEAD_SHARE = 0.2  # of a budget that the head may take while the pre-trained features are frozen
# Training an image counts as three forward passes: the backward pass has two products for each one of the forward.
TRAINING_PASSES = 3
# The schedule's steps where time ends the training. Their number is known only while it trains (`lab2/pace.py`).
TIMED_STEPS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFacts:
    """What the length of a recipe depends on."""

    images: int  # to train on
    classes: int
    pretrained: bool  # whether the network begins with pre-trained weights


def fitted(job: JobSpec, facts: DataFacts, flops_per_image: float | None = None) -> JobSpec:
    """`job` with the length, the batch and the learning rate for such data, and within its budget.

    `flops_per_image`, of a forward pass, is needed where the budget is in FLOPs.
    """
    recipe = job.train
    if recipe.images is not None:
        largest = max(int(facts.images * LARGEST_BATCH), min(SMALLEST_BATCH, facts.images))
        recipe = _with_batch(recipe, min(recipe.batch_size, largest))
    seen = images_to_see(recipe, facts, flops_per_image)
    if seen is None:
        return replace(job, train=replace(recipe, images=None))
    head = 0
    timed = recipe.budget is not None and parse_budget(recipe.budget).is_time
    if facts.pretrained and isinstance(job.model, TransferConfig) and not timed:
        head = min(job.model.head_epochs, int(HEAD_SHARE * seen / facts.images))
        job = replace(job, model=replace(job.model, head_epochs=head))
    epochs = max(seen - head * facts.images, recipe.batch_size) / facts.images
    return replace(job, train=replace(recipe, images=None, epochs=epochs))


def images_to_see(recipe: TrainConfig, facts: DataFacts, flops_per_image: float | None = None) -> float | None:
    """The training images to see, repetitions included; None where the recipe's epochs say it."""
    if recipe.budget is not None:
        budget = parse_budget(recipe.budget)
        match budget.unit:
            case "images":
                return budget.amount
            case "flops":
                assert flops_per_image is not None
                return budget.amount / (TRAINING_PASSES * flops_per_image)
            case "seconds":
                return float(TIMED_STEPS * recipe.batch_size)
    if recipe.images is None:
        return None
    seen = recipe.images * math.sqrt(facts.images / REFERENCE_IMAGES)
    seen *= max(1.0, math.sqrt(facts.classes / REFERENCE_CLASSES))
    return seen * PRETRAINED_SHARE if facts.pretrained else seen


def _with_batch(recipe: TrainConfig, size: int) -> TrainConfig:
    """The same recipe with batches of `size` images, and the learning rate that goes with them."""
    ratio = size / recipe.batch_size
    scale = ratio if recipe.optimizer == "sgd" else math.sqrt(ratio)
    return replace(recipe, batch_size=size, learning_rate=recipe.learning_rate * scale)
