"""The 95 % intervals of a row's other figures than accuracy, and how each was found."""

from __future__ import annotations

import math

import pandas as pd

from lab2.results.statistics import over_seeds

# What a row costs. Its interval is over seeds: each trial measured it once, in a process of its own.
COSTS = (
    *("train_seconds", "seconds_to_target", "peak_memory_bytes", "inference_memory_bytes"),
    *("latency_p50_seconds", "latency_p95_seconds", "throughput_images_per_second"),
)
OVER_SEEDS = "Student's t, over seeds"


def costs_over_seeds(good: pd.DataFrame, mixed: bool) -> dict[str, object]:
    """`<metric>_low`, `_high` and `_method` of each of `COSTS`, in its unit; None where seeds are too few.

    `good` holds the finished trials of a row. `mixed`: they ran on different machines, so that nothing is averaged.
    """
    found: dict[str, object] = {}
    for name in COSTS:
        values = good[name].dropna().tolist()
        one = over_seeds(values, math.inf) if len(values) > 1 and len(values) == len(good) and not mixed else None
        found[f"{name}_low"] = one.low if one else None
        found[f"{name}_high"] = one.high if one else None
        found[f"{name}_method"] = OVER_SEEDS if one else None
    return found
