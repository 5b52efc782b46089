"""The notes on a row of the table: facts without which its numbers would mislead."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from lab2.results.statistics import Interval

# Seeds that differ in one of these fields do not have comparable times and memory.
MACHINE = ("device_name", "device", "threads", "precision")
BUSY_SHARE = 0.1  # a trial gets a note if its threads waited for a core for this share of their time or more


def notes(good: pd.DataFrame, accuracy: Interval | None) -> Iterator[str]:
    """The notes on one row, a sentence each. `good` holds its trials with status "ok"."""
    if no_better_than_chance(good, accuracy):
        share = good["majority_accuracy"].mean()
        yield f"† not shown to be better than always naming the commonest class ({share:.2%})"
    if on_several_machines(good):
        machines = good[list(MACHINE)].astype(object).drop_duplicates()
        each = [f"{m.device_name} ({m.device}, {m.threads} threads, {m.precision})" for m in machines.itertuples()]
        moved = good["all_machines"].dropna().unique().tolist()
        which = "; ".join(moved or each)
        yield f"ran on different machines or threads ({which}): its times and memory are not averaged"
    reached = good["seconds_to_target"].count()
    if 0 < reached < len(good):
        yield f"its target was reached by {reached} of {len(good)} seeds: the time to it is not averaged"
    waited = waiting_share(good)
    if waited >= BUSY_SHARE:
        yield f"a busy machine: its threads waited for a core for {waited:.0%} of the time that they could have run"
    waited = good["inference_wait_share"].max()
    if not pd.isna(waited) and waited >= BUSY_SHARE:
        yield f"its latency was measured on a busy machine ({waited:.0%} of the time another process had the core)"
    absent = (good["classes"] - good["tested_classes"]).max()
    if not pd.isna(absent) and absent > 0:
        yield f"{absent} of {good['classes'].max()} classes have no test image: F1 is the mean over the others"


def on_several_machines(good: pd.DataFrame) -> bool:
    """Whether the trials, or the attempts of one, ran on different machines."""
    return len(good[list(MACHINE)].drop_duplicates()) > 1 or bool(good["all_machines"].notna().any())


def no_better_than_chance(good: pd.DataFrame, accuracy: Interval | None) -> bool:
    """Whether the accuracy of always naming the most frequent class lies in the row's interval or above it."""
    share = good["majority_accuracy"].mean()
    return accuracy is not None and not pd.isna(share) and accuracy.low <= share


def waiting_share(good: pd.DataFrame) -> float:
    """The share of time for which the threads could have run but waited for a core, in training; the worst trial's."""
    waited = good["train_wait_seconds"] / (good["train_cpu_seconds"] + good["train_wait_seconds"])
    worst = waited.max()
    return 0.0 if pd.isna(worst) else float(worst)
