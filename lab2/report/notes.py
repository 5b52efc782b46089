"""What has to be said of a row, or its numbers would be taken for more than they are."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from lab2.results.statistics import Interval

# Seeds that differ in one of these ran on different machines: their times and memory are not of one kind.
MACHINE = ("device_name", "device", "threads", "precision")
BUSY_SHARE = 0.1  # of the time in which a trial's threads could have run: waiting for longer is worth a word


def notes(good: pd.DataFrame, accuracy: Interval | None) -> Iterator[str]:
    """A sentence for each thing that the reader of a row must know; `good` are its trials that ended well."""
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
    """Whether naming the commonest class each time lies within the interval of the row's accuracy, or above it."""
    share = good["majority_accuracy"].mean()
    return accuracy is not None and not pd.isna(share) and accuracy.low <= share


def waiting_share(good: pd.DataFrame) -> float:
    """Of the time in which the trials' threads could have run, the share in which others had the core; at the worst."""
    waited = good["train_wait_seconds"] / (good["train_cpu_seconds"] + good["train_wait_seconds"])
    worst = waited.max()
    return 0.0 if pd.isna(worst) else float(worst)
