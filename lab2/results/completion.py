"""Metrics that a shard lacks, because a version of lab2 wrote it that did not have them yet."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from lab2.errors import ShardError
from lab2.measure.metrics import METRICS, Metric, metrics_of_predictions
from lab2.measure.predictions import Predictions, read_predictions
from lab2.measure.scores import accuracy
from lab2.results.run_dir import RunDir
from lab2.results.shard import Shard
from lab2.spec.architectures import architectures

SAME_ACCURACY = 1e-9  # rounding; one image of 100,000,000 is more


def complete(run: RunDir, shard: Shard) -> Shard:
    """`shard` with the metrics that it lacks, from its trial's saved predictions; as it is where there are none.

    Raises `ShardError` for predictions that are no predictions, or not those of this shard.
    """
    path, lacking = run.predictions(shard.trial), _lacking(shard)
    if not lacking or not path.is_file():
        return shard
    predictions = read_predictions(path)
    check_predictions(predictions, path, shard.accuracy, shard.test_images)
    return shard.updated(**{metric.name: metric.of(predictions) for metric in lacking if metric.of})


def incomplete_rows(table: pa.Table) -> set[int]:
    """The rows of a table of shards that lack a metric, by their places."""
    detectors = [name for name, one in architectures().items() if one.config.detects]
    detects = pc.is_in(table["architecture"], value_set=pa.array(detectors, pa.string()))
    elsewhere = [name for name, one in architectures().items() if one.config.trained_elsewhere]
    lacking = pa.array([False] * len(table), pa.bool_())
    for metric in METRICS:
        if metric.of:
            is_absent = pc.is_null(table[metric.name])
            if metric.applies_to == "classifiers":
                is_absent = pc.and_not(is_absent, detects)
            lacking = pc.or_(lacking, is_absent)
    # What predictions without probabilities do not give was asked for when they were imported.
    lacking = pc.and_not(lacking, pc.is_in(table["architecture"], value_set=pa.array(elsewhere, pa.string())))
    rows: list[int] = pc.indices_nonzero(pc.and_(lacking, pc.equal(table["status"], "ok"))).to_pylist()
    return set(rows)


def _lacking(shard: Shard) -> list[Metric]:
    if shard.status != "ok":
        return []
    architecture = architectures().get(shard.architecture)
    metrics = metrics_of_predictions(detects=architecture is not None and architecture.config.detects)
    return [metric for metric in metrics if getattr(shard, metric.name) is None]


def check_predictions(
    predictions: Predictions, path: Path, accuracy_of_shard: float | None, images: int | None
) -> None:
    """Raise `ShardError` for predictions that are not those of a shard with that accuracy and so many test images."""
    found, share = len(predictions.y_true), accuracy(predictions)
    differ = accuracy_of_shard is not None and abs(share - accuracy_of_shard) > SAME_ACCURACY
    if differ or images not in (None, found):
        raise ShardError(
            f"{path}: {found} images, a share of {share:.6f} right, but its shard says {images} and "
            f"{accuracy_of_shard}; copy the run's predictions/ again"
        )
