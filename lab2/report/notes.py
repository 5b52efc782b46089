"""The notes on a row of the table: facts without which its numbers would mislead."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from lab2.models.external import ExternalConfig
from lab2.results.shard import MACHINE
from lab2.results.statistics import Interval, luck
from lab2.spec.job import JobSpec

COMMONEST = "commonest_class"  # the architecture of the baseline that every other row has to beat
LUCK = 0.05  # a row beats it if luck alone would be as good with at most this probability
BUSY_SHARE = 0.1  # a trial gets a note if its threads waited for a core for this share of their time or more


@dataclass(frozen=True, slots=True)
class Chance:
    """A row against always naming the commonest class."""

    share: float  # of the test images: what that is right for
    luck: float  # probability of as many right answers as the row's, or more, at that share

    @property
    def beaten(self) -> bool:
        """Whether the row is shown to be better."""
        return self.luck <= LUCK


def imported(job: JobSpec) -> Iterator[str]:
    """A sentence for a row that lab2 did not train."""
    if isinstance(job.model, ExternalConfig):
        yield (
            f"imported ({job.model.name}), not trained by lab2: its time, memory, parameters and FLOPs are not measured"
        )


def notes(good: pd.DataFrame, chance: Chance | None) -> Iterator[str]:
    """The notes on one row, a sentence each. `good` holds its trials with status "ok"."""
    if chance is not None and not chance.beaten:
        yield (
            f"† not shown to be better than always naming the commonest class (accuracy {chance.share:.2%}): "
            f"p = {chance.luck:.2g}, one-sided exact binomial test at {LUCK}"
        )
    if on_several_machines(good):
        machines = good[list(MACHINE)].astype(object).drop_duplicates()
        each = [f"{m.device_name} ({m.device}, {m.threads} threads, {m.precision})" for m in machines.itertuples()]
        moved = good["all_machines"].dropna().unique().tolist()
        which = "; ".join(moved or each)
        yield f"ran on different machines or threads ({which}): its times and memory are not averaged"
    reached = good["seconds_to_target"].count()
    if 0 < reached < len(good):
        yield f"its target was reached by {reached} of {len(good)} seeds: the time to it is not averaged"
    if early := int(good["ended_early"].fillna(value=False).sum()):
        yield f"{early} of {len(good)} trainings ended early, for validation got no better (train.patience)"
    most = good["trials_at_once"].max()
    if not pd.isna(most) and most > 1:
        yield f"its times were measured with {most:.0f} trials at once on the machine"
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
    several = len(good) > 1 and len(good[list(MACHINE)].drop_duplicates()) > 1
    return several or bool(good["all_machines"].notna().any())


def commonest_share(frame: pd.DataFrame) -> float | None:
    """The accuracy of the run's row of the commonest class; None where it has none."""
    rows = frame.loc[(frame["architecture"] == COMMONEST) & (frame["status"] == "ok"), "accuracy"].dropna()
    return None if rows.empty else float(rows.mean())


def against_chance(good: pd.DataFrame, accuracy: Interval | None, share: float | None) -> Chance | None:
    """A row against always naming the commonest class; None where nothing is known, and for that class's own row.

    `share` is what that is right for; None: the share of the commonest class among the row's own test images.
    """
    images = good["test_images"].dropna()
    if share is None and good["majority_accuracy"].notna().any():
        share = float(good["majority_accuracy"].mean())
    if accuracy is None or share is None or images.empty or good["architecture"].iloc[0] == COMMONEST:
        return None
    count = int(images.iloc[0])
    right = math.floor(accuracy.mean * count + 1e-6)  # of several seeds the mean: their test images are the same
    return Chance(share, luck(right, count, share))


def waiting_share(good: pd.DataFrame) -> float:
    """The share of time for which the threads could have run but waited for a core, in training; the worst trial's."""
    waited = good["train_wait_seconds"] / (good["train_cpu_seconds"] + good["train_wait_seconds"])
    worst = waited.max()
    return 0.0 if pd.isna(worst) else float(worst)
