"""One row a job: the mean over its seeds with a 95 % interval, or the reason why there is none."""

from __future__ import annotations

import pandas as pd

from lab2.report.notes import MACHINE, no_better_than_chance, notes, on_several_machines
from lab2.results.collect import Comparison
from lab2.results.statistics import Interval, of_share, over_seeds

# What is averaged over the seeds that ended well.
MEANS = ("macro_f1", "map_50", "map_50_95", "validation_accuracy", "majority_accuracy")
# What is averaged too, unless the seeds ran on different machines.
MACHINE_MEANS = (
    "train_seconds",
    "train_cpu_seconds",
    "train_wait_seconds",
    "wall_seconds",
    "startup_seconds",
    "cpu_seconds",
    "seconds_to_target",
    "train_images_per_second",
    "peak_memory_bytes",
    "inference_memory_bytes",
    "library_memory_bytes",
    "latency_p50_seconds",
    "latency_p95_seconds",
    "throughput_images_per_second",
)
COUNTS = (
    "parameters",
    "trainable_parameters",
    "trained_parameters",
    "flops_per_image",
    "train_images",
    "test_images",
    "classes",
    "tested_classes",
    "image_side",
    "threads",
)
# What should be the same for all seeds of a job: where it is not, a text names all there are and a number is left out.
SHARED = (*COUNTS, "flops_uncounted", "epochs", *(name for name in MACHINE if name not in COUNTS), "git_commit")


def summarise(comparison: Comparison) -> pd.DataFrame:
    """The comparison table, in the order of the plan; the first columns are the lab's."""
    jobs = comparison.frame.groupby("job", sort=False)
    table = pd.DataFrame([_summary(str(job), rows, comparison.plan.smoke) for job, rows in jobs])
    return table.astype(dict.fromkeys(COUNTS, "Int64"))  # a count stays one beside a gap


def _summary(job: str, rows: pd.DataFrame, smoke: bool) -> dict[str, object]:
    good = rows[rows["status"] == "ok"]
    bad = rows[rows["status"] != "ok"]
    accuracy = _accuracy(good)
    reasons = [f"seed {seed}: {reason}" for seed, reason in zip(bad["seed"], bad["reason"], strict=True)]
    table: dict[str, object] = {
        "job": job,
        "architecture": rows["architecture"].iloc[0],
        "accuracy": accuracy.mean if accuracy else None,
        "macro_f1": None,  # its place among the lab's columns
        "train_seconds": None,
        "parameters": None,
        "status": "ok" if bad.empty else bad["status"].iloc[0],
        "reason": "; ".join(reasons if len(rows) > 1 else bad["reason"]),
        "weights": ", ".join(good["weights"].dropna().unique()),
        "seeds": len(good),
        "seeds_expected": len(rows),
        "accuracy_low": accuracy.low if accuracy else None,
        "accuracy_high": accuracy.high if accuracy else None,
        "interval": ("", "Wilson, over test images", "t, over seeds")[min(len(good), 2)],
    }
    mixed = on_several_machines(good)
    for name in (*MEANS, *MACHINE_MEANS):
        values = good[name].dropna()
        # A mean over the seeds that reached their target would be of the fast ones alone.
        partly = name == "seconds_to_target" and len(values) < len(good)
        left_out = values.empty or partly or (mixed and name in MACHINE_MEANS)
        table[name] = None if left_out else float(values.mean())
    for name in SHARED:
        table[name] = _shared(good[name].dropna().unique().tolist())
    table["at_chance"] = no_better_than_chance(good, accuracy)
    table["notes"] = "; ".join(notes(good, accuracy))
    return {**table, "dataset": rows["dataset"].iloc[0], "smoke": smoke}


def _shared(values: list[object]) -> object:
    if len(values) == 1:
        return values[0]
    return ", ".join(map(str, values)) if values and isinstance(values[0], str) else None


def _accuracy(good: pd.DataFrame) -> Interval | None:
    values = good["accuracy"].dropna().tolist()
    if len(values) > 1:
        return over_seeds(values)
    images = good["test_images"].dropna()
    return of_share(values[0], int(images.iloc[0])) if values and len(images) else None
