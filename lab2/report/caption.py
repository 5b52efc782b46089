"""The texts around a table: its caption, the reasons of failed rows, and remarks on the others."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pandas as pd

from lab2.measure.metrics import gibibytes
from lab2.results.collect import Comparison
from lab2.words import counted

# The columns of finished trials that the caption sums up.
_ORIGIN = [
    *("job", "dataset", "train_images", "weights", "precision", "device_name", "device", "threads"),
    *("split", "left_out", "boxes", "flops_uncounted"),
    *("lab2_version", "git_commit", "git_dirty"),
]
# What a detector was trained on.
_BOXES = {
    "real": "the data set's own boxes",
    "composed": "scenes that are composed of the images (mAP is of such scenes, accuracy of single images)",
}


def caption(comparison: Comparison) -> str:
    """The caption: run, data set, machine, precision, weights, code, and what the numbers leave out."""
    frame = comparison.frame
    found = frame.loc[frame["status"] == "ok", _ORIGIN].drop_duplicates()
    good: list[Any] = list(found.astype(object).where(found.notna(), None).itertuples(index=False))
    elsewhere = {trial.job.name for trial in comparison.plan.trials if trial.job.model.trained_elsewhere}
    trained = [row for row in good if row.job not in elsewhere]
    parts = [f"run {comparison.plan.run_id}"]
    if good:
        where = {
            ", ".join(filter(None, (r.device_name, r.device, r.threads and counted(r.threads, "thread"))))
            for r in trained
        }
        counts = " or ".join(f"{n:,}" for n in sorted({r.train_images or 0 for r in trained}))
        parts.append(f"{good[0].dataset}{f', {counts} training images' if trained else ''}")
        for title, values in (("split", {r.split for r in good}), ("left out", {r.left_out for r in good})):
            if known := sorted(filter(None, values)):
                parts.append(f"{title}: {' or '.join(known)}")
        parts += sorted(where - {""})
        parts += _by_jobs([(row.precision, row.job) for row in trained], "in {0}", "{1} in {0}")
        started = [(row.weights, row.job) for row in trained if row.weights != ""]
        parts += _by_jobs(started, "weights: {0}", "{0} weights: {1}")
        for boxes, what in _BOXES.items():
            if jobs := dict.fromkeys(row.job for row in good if row.boxes == boxes):
                parts.append(f"{', '.join(jobs)} trained on {what}")
        if fitted := dict.fromkeys(trial.job.name for trial in comparison.plan.trials if trial.job.model.fitted):
            parts.append(
                f"{', '.join(fitted)} are fitted once, because no seed changes them; their interval is over test images"
            )
        if imported := dict.fromkeys(row.job for row in good if row.job in elsewhere):
            parts.append(f"imported, not trained by lab2: {', '.join(imported)}")
        parts += _budgets(frame)
        libraries = frame.loc[frame["memory_of"] == "process", "library_memory_bytes"].max()
        parts += [] if pd.isna(libraries) else [f"{gibibytes(libraries)} of memory are Python and its libraries"]
        code = {f"{r.lab2_version} at {(r.git_commit or 'unknown')[:12]}{'+changes' * bool(r.git_dirty)}" for r in good}
        parts.append(f"lab2 {', '.join(sorted(code))}")
    taken = Counter(comparison.taken.values())
    parts += [f"{count} of {len(frame)} trials taken over from run {run}" for run, count in taken.items()]
    text = "; ".join(parts)
    if uncounted := {row.job: row.flops_uncounted for row in good if row.flops_uncounted}:
        text += "\n≥: FLOPs are without " + "; ".join(f"{names} ({job})" for job, names in uncounted.items())
    if comparison.plan.smoke:
        text += "\nSMOKE RUN on a fraction of the data: it shows that everything works, and compares nothing."
    return text


def _budgets(frame: pd.DataFrame) -> list[str]:
    """For each budget what every architecture made of it: the images that it saw and the seconds that it took."""
    good = frame[(frame["status"] == "ok") & frame["budget"].notna()]
    parts = []
    for budget, rows in good.groupby("budget", sort=False):
        means = rows.groupby("job", sort=False)[["images_seen", "train_seconds"]].mean()
        each = [f"{job} saw {images:,.0f} images in {seconds:.1f} s" for job, images, seconds in means.itertuples()]
        parts.append(f"budget {budget} of training for each: {', '.join(each)}")
    return parts


def _by_jobs(values: list[tuple[str | None, str]], if_same: str, if_different: str) -> list[str]:
    """A text for each value among (value, job) pairs.

    The template `if_same` is used where all jobs have the same value, else `if_different`, which also names the jobs.
    """
    jobs: dict[str, list[str]] = {}
    for value, job in values:
        jobs.setdefault(value or "unknown", []).append(job)
    template = if_same if len(jobs) == 1 else if_different
    return [template.format(value, ", ".join(dict.fromkeys(names))) for value, names in jobs.items()]


def remarks(summary: pd.DataFrame) -> list[str]:
    """The notes on rows that have numbers, such as a busy machine."""
    return [f"{row['job']}: {row['notes']}" for _, row in summary.iterrows() if row["notes"]]


def failures(summary: pd.DataFrame) -> list[str]:
    """Status and reason of each row with a trial that did not end well."""
    return [f"{row['job']}: {row['status']}: {row['reason']}" for _, row in summary.iterrows() if row["status"] != "ok"]
