"""Metrics that a shard lacks, because a version of lab2 wrote it that did not have them yet."""

from __future__ import annotations

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
    _check(predictions, shard, str(path))
    return shard.updated(**{metric.name: metric.of(predictions) for metric in lacking if metric.of})


def incomplete_rows(table: pa.Table) -> set[int]:
    """The rows of a table of shards that lack a metric, by their places."""
    detectors = [name for name, one in architectures().items() if one.config.detects]
    detects = pc.is_in(table["architecture"], value_set=pa.array(detectors, pa.string()))
    lacking = pa.array([False] * len(table), pa.bool_())
    for metric in METRICS:
        if metric.of:
            is_absent = pc.is_null(table[metric.name])
            if metric.applies_to == "classifiers":
                is_absent = pc.and_not(is_absent, detects)
            lacking = pc.or_(lacking, is_absent)
    rows: list[int] = pc.indices_nonzero(pc.and_(lacking, pc.equal(table["status"], "ok"))).to_pylist()
    return set(rows)


def _lacking(shard: Shard) -> list[Metric]:
    if shard.status != "ok":
        return []
    architecture = architectures().get(shard.architecture)
    metrics = metrics_of_predictions(detects=architecture is not None and architecture.config.detects)
    return [metric for metric in metrics if getattr(shard, metric.name) is None]


def _check(predictions: Predictions, shard: Shard, path: str) -> None:
    images, share = len(predictions.y_true), accuracy(predictions)
    differ = shard.accuracy is not None and abs(share - shard.accuracy) > SAME_ACCURACY
    if differ or shard.test_images not in (None, images):
        raise ShardError(
            f"{path}: {images} images, a share of {share:.6f} right, but its shard says {shard.test_images} and "
            f"{shard.accuracy}; the metrics that its row lacks are not computed; copy the run's predictions/ again"
        )
