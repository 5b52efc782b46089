"""Runs made of hand-written answers: which trial is right about which test image is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lab2.measure.predictions import Predictions, write_predictions
from lab2.models.logistic_regression import LogisticRegressionConfig
from lab2.results.run_dir import RunDir, create_run
from lab2.results.shard import write_shard
from lab2.spec.job import DataConfig, JobSpec, Trial
from lab2.spec.plan import Plan
from tests.conftest import SMALL, TINY, finished, make_trial

DATA = "d" * 64  # SHA-256 of the data set


def among(images: int, *parts: range) -> np.ndarray:
    """(N,) right about the images in `parts` and no others."""
    right = np.zeros(images, bool)
    for part in parts:
        right[part.start : part.stop] = True
    return right


def seeds_of(name: str, count: int = 1, **train: object) -> list[Trial]:
    if name == "logistic_regression":
        return [Trial(job=JobSpec(name=name, model=LogisticRegressionConfig()), data=SMALL, seed=1)]
    return [make_trial(name, seed=seed, model=TINY["cnn"], **train) for seed in range(1, count + 1)]


def leave(
    run: RunDir,
    trial: Trial,
    right: np.ndarray,
    *,
    order: Sequence[int] | np.ndarray | None = None,
    images: np.ndarray | None = None,
    known: bool = True,
    groups: np.ndarray | None = None,
    **more: object,
) -> None:
    """What a trial leaves that is `right` about images with labels 0 to 9 in turn, in that `order`.

    `images`: their identities, 0, 1, 2 ... unless given; none where these are not `known`.
    """
    index = np.arange(len(right)) if order is None else np.asarray(order)
    truth = np.arange(len(right)) % 10
    answer = np.where(right, truth, (truth + 1) % 10)
    identities = np.arange(len(right), dtype=np.uint64) if images is None else images.astype(np.uint64)
    scores = np.eye(10, dtype=np.float32)[answer]
    found = Predictions(
        truth[index],
        answer[index],
        scores[index],
        identities[index] if known else None,
        None if groups is None else groups[index],
    )
    write_predictions(run.predictions(trial.name), found)
    shard = finished(trial, float(right[index].mean()), test_images=len(index), dataset_sha256=DATA)
    write_shard(run.shard(trial.name), shard.updated(**more))


def answered(
    folder: Path,
    rights: Mapping[str, np.ndarray],
    *,
    margin: float | None = None,
    smoke: bool = False,
    run_id: str = "run",
    data: DataConfig = SMALL,
    **more: object,
) -> RunDir:
    """A run with a job for each name, and a seed for each row of its (S, N) array."""
    each = [pair for name, rows in rights.items() for pair in zip(seeds_of(name, len(rows)), rows, strict=True)]
    each = [(replace(trial, data=data), right) for trial, right in each]
    trials = tuple(trial for trial, _ in each)
    plan = Plan(run_id=run_id, created_at="2026-01-01T00:00:00", smoke=smoke, trials=trials, margin_points=margin)
    run = create_run(folder, plan)
    for trial, right in each:
        leave(run, trial, right, **more)
    return run
