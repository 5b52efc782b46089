"""Summarises each job in one row: the mean over its seeds with a 95 % interval, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from lab2.compare.comparison import Row
from lab2.measure.metrics import METRICS, Metric
from lab2.report.intervals import AccuracyInterval, RowIntervals, figures_over_images, figures_over_seeds
from lab2.report.notes import against_chance, commonest_share, imported, notes, on_several_machines
from lab2.results.collect import Comparison
from lab2.results.statistics import Interval, of_share, over_seeds
from lab2.spec.effort import NOT_RECORDED
from lab2.spec.job import JobSpec

OVER_IMAGES, OVER_SEEDS = "Wilson, over test images", "t, over seeds"
# Text fields that should be the same for all seeds of a job. Where they differ, the row lists all values.
TEXTS = ("flops_uncounted", "device", "device_name", "precision", "git_commit")
COUNTS = (*(metric.name for metric in METRICS if metric.count), "best_rank", "worst_rank", "configurations_judged")


def summarise(
    comparison: Comparison,
    compared: Mapping[str, Row] | None = None,
    intervals: Mapping[str, RowIntervals] | None = None,
    configurations: Mapping[str, int] | None = None,
    accuracies: Mapping[str, AccuracyInterval] | None = None,
) -> pd.DataFrame:
    """The comparison table, in the order of the plan: accuracy, F1, training time and parameters come first.

    By job, `compared`: what is shown of its row (`finding.py`); `intervals`: those of its figures (`outputs.py`);
    `configurations`: how many have been judged on its test images (`judged.py`); `accuracies`: of new images.
    """
    compared, intervals, configurations = compared or {}, intervals or {}, configurations or {}
    accuracies = accuracies or {}
    jobs = comparison.frame.groupby("job", sort=False)
    share = commonest_share(comparison.frame)
    planned = {trial.job.name: trial.job for trial in comparison.plan.trials}
    smoke = comparison.plan.smoke
    rows_of = [
        {
            **_summary(
                planned[str(job)],
                rows,
                share,
                smoke,
                compared.get(str(job)),
                intervals.get(str(job)),
                accuracies.get(str(job)),
            ),
            "effort": _effort(planned[str(job)]),
            "configurations_judged": configurations.get(str(job)),
        }
        for job, rows in jobs
    ]
    table = pd.DataFrame(rows_of)
    return table.astype(dict.fromkeys(COUNTS, "Int64"))  # an integer type that can hold missing values


def least_error(summary: pd.DataFrame) -> float:
    """Half a test image, as a share: an error that no row has. It ends a scale of errors."""
    images = summary["test_images"].dropna()
    return 0.5 / max(1, int(images.max()) if len(images) else 1000)


def _effort(job: JobSpec) -> str | None:
    """What it took to find the recipe of a job; None for one that has no recipe."""
    if job.model.fitted:
        return None
    return job.effort.text if job.effort else NOT_RECORDED


def _summary(
    job: JobSpec,
    rows: pd.DataFrame,
    commonest: float | None,
    smoke: bool,
    compared: Row | None,
    intervals: RowIntervals | None,
    of_accuracy: AccuracyInterval | None,
) -> dict[str, object]:
    good = rows[rows["status"] == "ok"]
    bad = rows[rows["status"] != "ok"]
    accuracy, method = _accuracy(good, of_accuracy)
    reasons = [f"seed {seed}: {reason}" for seed, reason in zip(bad["seed"], bad["reason"], strict=True)]
    table: dict[str, object] = {
        "job": job.name,
        "architecture": rows["architecture"].iloc[0],
        "accuracy": accuracy.mean if accuracy else None,
        "macro_f1": None,  # set below; here it only fixes the order of the columns
        "train_seconds": None,
        "parameters": None,
        "status": "ok" if bad.empty else bad["status"].iloc[0],
        "reason": "; ".join(reasons if len(rows) > 1 else bad["reason"]),
        "weights": ", ".join(good["weights"].dropna().unique()),
        "seeds": len(good),
        "seeds_expected": len(rows),
        "accuracy_low": accuracy.low if accuracy else None,
        "accuracy_high": accuracy.high if accuracy else None,
        "interval": method,
        "letters": "".join(compared.letters) if compared else None,
        "best_rank": compared.best_rank if compared else None,
        "worst_rank": compared.worst_rank if compared else None,
    }
    mixed = on_several_machines(good)
    columns = good[[metric.name for metric in METRICS]].to_dict("list")
    for metric in METRICS:
        if metric.name != "accuracy":
            table[metric.name] = _over_seeds(metric, columns[metric.name], mixed)
    table |= figures_over_images(good, intervals) | figures_over_seeds(good, mixed)
    for name in TEXTS:
        values = good[name].dropna().unique().tolist()
        table[name] = ", ".join(values) if values else None
    chance = against_chance(good, accuracy, commonest)
    table["at_chance"] = chance is not None and not chance.beaten
    table["weights_missing"] = job.weights_missing and bool(len(good))
    table["imported"] = job.model.trained_elsewhere
    table["notes"] = "; ".join((*imported(job), *notes(good, chance)))
    return {**table, "dataset": rows["dataset"].iloc[0], "smoke": smoke}


def _over_seeds(metric: Metric, column: Sequence[float | int | None], mixed: bool) -> float | int | None:
    """The value of `metric` for a row, from its trials' values; None where it has none. `mixed`: different machines."""
    values = [value for value in column if not pd.isna(value)]
    if not values or (metric.every_seed and len(values) < len(column)):
        return None
    if metric.over == "same":
        return values[0] if len(set(values)) == 1 else None
    return None if metric.over == "machine" and mixed else float(np.mean(values))


def _accuracy(good: pd.DataFrame, interval: AccuracyInterval | None) -> tuple[Interval | None, str]:
    """The mean accuracy of a row with its interval, and how that was found.

    Of several seeds it is that of question 3, with the luck of the test images in it, if `interval` is of all that the
    row was tested on.
    """
    values = good["accuracy"].dropna().tolist()
    images = good["test_images"].dropna()
    if not values:
        return None, ""
    if len(values) == 1:
        return (of_share(values[0], int(images.iloc[0])) if len(images) else None), OVER_IMAGES
    found = over_seeds(values)
    if interval is None or interval.seeds != len(values) or (images != interval.images).any():
        return found, OVER_SEEDS
    if interval.low == interval.high:  # all seeds are right about all images, or none
        return of_share(found.mean, interval.images), OVER_IMAGES
    return Interval(found.mean, interval.low, interval.high), "t, over seeds and test images"
