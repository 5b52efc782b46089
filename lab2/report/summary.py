"""One row a job: the mean over its seeds with a 95 % interval, or the reason why there is none."""

from __future__ import annotations

import pandas as pd

from lab2.results.collect import Comparison
from lab2.results.shard import Shard
from lab2.results.statistics import Interval, of_share, over_seeds

# What is averaged over the seeds that ended well.
MEANS = (
    "macro_f1",
    "map_50",
    "map_50_95",
    "train_seconds",
    "wall_seconds",
    "seconds_to_target",
    "train_images_per_second",
    "peak_memory_bytes",
    "latency_p50_seconds",
    "latency_p95_seconds",
    "throughput_images_per_second",
    "validation_accuracy",
)
# What is the same for all seeds of a job.
SHARED = (
    "parameters",
    "trainable_parameters",
    "flops_per_image",
    "epochs",
    "train_images",
    "test_images",
    "image_side",
    "precision",
    "device",
    "device_name",
    "threads",
    "git_commit",
)
COUNTS = (
    "parameters",
    "trainable_parameters",
    "flops_per_image",
    "train_images",
    "test_images",
    "image_side",
    "threads",
)


def summarise(comparison: Comparison) -> pd.DataFrame:
    """The comparison table, in the order of the plan; the first columns are the lab's."""
    jobs: dict[str, list[Shard]] = {}
    for row in comparison.rows:
        jobs.setdefault(row.job, []).append(row)
    table = pd.DataFrame([_summary(rows, comparison.plan.smoke) for rows in jobs.values()])
    return table.astype(dict.fromkeys(COUNTS, "Int64"))  # a count stays one beside a gap


def _summary(rows: list[Shard], smoke: bool) -> dict[str, object]:
    good = [row for row in rows if row.status == "ok"]
    accuracy = _accuracy(good)
    bad = [row for row in rows if row.status != "ok"]
    several = len(rows) > 1
    table: dict[str, object] = {
        "job": rows[0].job,
        "architecture": rows[0].architecture,
        "accuracy": accuracy.mean if accuracy else None,
        "macro_f1": None,  # its place among the lab's columns
        "train_seconds": None,
        "parameters": None,
        "status": bad[0].status if bad else "ok",
        "reason": "; ".join(f"seed {row.seed}: {row.reason}" if several else row.reason for row in bad),
        "weights": ", ".join(dict.fromkeys(row.weights for row in good if row.weights)),
        "seeds": len(good),
        "seeds_expected": len(rows),
        "accuracy_low": accuracy.low if accuracy else None,
        "accuracy_high": accuracy.high if accuracy else None,
        "interval": ("t, over seeds" if len(good) > 1 else "Wilson, over test images") if good else "",
    }
    for name in MEANS:
        values = [v for row in good if (v := getattr(row, name)) is not None]
        table[name] = sum(values) / len(values) if values else None
    for name in SHARED:
        table[name] = next((getattr(row, name) for row in good), None)
    return {**table, "dataset": rows[0].dataset, "smoke": smoke}


def _accuracy(good: list[Shard]) -> Interval | None:
    values = [row.accuracy for row in good if row.accuracy is not None]
    if len(values) > 1:
        return over_seeds(values)
    if values and good[0].test_images:
        return of_share(values[0], good[0].test_images)
    return None
