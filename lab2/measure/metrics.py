"""The list of metrics. A metric is one entry here: the shard's schema, its files and all tables follow from it.

The entry gives its name, its format, over what it is averaged, and its origin: measured by the run, or computed from
the predictions that every trial saves. A metric that is computed from predictions also exists for old runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from lab2.measure import scores
from lab2.measure.predictions import Predictions

Number = int | float
# The value of a row with several seeds. "seeds": their mean. "machine": their mean, but none if they ran on different
# machines. "same": the value that all seeds share, none if they differ.
Over = Literal["seeds", "machine", "same"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One number of a trial."""

    name: str  # of the shard's field and of the column in CSV and JSON
    about: str  # a short description
    unit: str  # of the stored number; "share": it is in [0, 1]; "": a plain count
    applies_to: Literal["all", "classifiers", "detectors"] = "all"  # the networks for which it makes sense
    over: Over = "seeds"
    count: bool = False  # whether it is an integer
    title: str = ""  # of its column in tables; empty: it is in the files only
    rank: int = 9  # position of that column, lowest first; a narrow terminal drops the highest ranks
    text: Callable[[float], str] = str  # its format in tables
    of: Callable[[Predictions], Number | None] | None = None  # computes it from predictions; None: the run measures it
    every_seed: bool = False  # whether the mean needs a value from every seed


def share(value: float) -> str:
    return f"{value:.4f}"


def short_share(value: float) -> str:
    return f"{value:.3f}"


def seconds(value: float) -> str:
    return f"{value:,.0f} s" if value >= 10 else f"{value:.1f} s"


def milliseconds(value: float) -> str:
    return f"{1000 * value:.1f} ms"


def gibibytes(value: float) -> str:
    return f"{value / 2**30:.2f} GiB"


def amount(value: float) -> str:
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.1f} {unit}"
    return f"{value:.0f}"


QUALITY = (
    Metric(name="accuracy", about="share of the test images that are recognised", unit="share", of=scores.accuracy),
    Metric(
        name="macro_f1", about="F1, mean over the classes", unit="share", title="F1", rank=1, text=share,
        of=scores.macro_f1,
    ),
    Metric(name="balanced_accuracy", about="recall, mean over the classes", unit="share", of=scores.balanced_accuracy),
    Metric(
        name="log_loss", about="mean -ln of the right class's probability", unit="nats", applies_to="classifiers",
        of=scores.log_loss,
    ),
    Metric(
        name="calibration_error", about="expected calibration error", unit="share", applies_to="classifiers",
        title="ECE", text=short_share,
        of=scores.calibration_error,
    ),
    Metric(
        name="map_50", about="mAP at an overlap of 0.5", unit="share", applies_to="detectors", title="mAP50",
        text=short_share,
    ),
    Metric(name="map_50_95", about="mAP, mean over overlaps of 0.5 to 0.95", unit="share", applies_to="detectors"),
    Metric(name="validation_accuracy", about="share of the validation images, at the end of training", unit="share"),
    Metric(
        name="majority_accuracy", about="accuracy of the most frequent class", unit="share",
        of=scores.majority_accuracy,
    ),
    Metric(name="test_images", about="test images", unit="", over="same", count=True, of=scores.count_images),
    Metric(name="classes", about="classes", unit="", over="same", count=True),
    Metric(
        name="tested_classes", about="classes with test images", unit="", over="same", count=True,
        of=scores.tested_classes,
    ),
)  # fmt: skip

TIME = (
    Metric(name="train_seconds", about="training", unit="s", over="machine", title="training", rank=1, text=seconds),
    Metric(name="train_cpu_seconds", about="CPU seconds of training", unit="s", over="machine"),
    Metric(
        name="train_wait_seconds",
        about="seconds of training in which threads waited for a core",
        unit="s",
        over="machine",
    ),
    Metric(
        name="wall_seconds", about="the whole trial, from its process's start to its shard", unit="s", over="machine"
    ),
    Metric(name="startup_seconds", about="the part of it before the first step", unit="s", over="machine"),
    Metric(name="cpu_seconds", about="CPU seconds of the whole trial", unit="s", over="machine"),
    Metric(name="attempts", about="processes that worked on the trial", unit="", count=True, over="same"),
    Metric(name="target_accuracy", about="the job's target, on validation images", unit="share", over="same"),
    Metric(
        name="seconds_to_target",
        about="training until the target was reached",
        unit="s",
        over="machine",
        every_seed=True,
    ),
    Metric(name="epochs", about="passes over the training images", unit="passes", over="same"),
    Metric(name="images_seen", about="training images seen, with repetitions", unit=""),
    Metric(name="batch_size", about="images a step, as used", unit="", over="same", count=True),
    Metric(name="learning_rate", about="the peak learning rate, as used", unit="", over="same"),
    Metric(name="train_images", about="training images", unit="", over="same", count=True),
    Metric(name="train_images_per_second", about="images trained a second", unit="images/s", over="machine"),
)

COST = (
    Metric(name="parameters", about="parameters of the network", unit="", over="same", count=True),
    Metric(name="trainable_parameters", about="parameters that are not frozen", unit="", over="same", count=True),
    Metric(name="trained_parameters", about="parameters that the optimiser moved", unit="", over="same", count=True),
    Metric(
        name="peak_memory_bytes", about="memory while it trained", unit="bytes",
        over="machine", title="memory to train", rank=5,
        text=gibibytes,
    ),
    Metric(
        name="inference_memory_bytes", about="memory while it inferred single images, deployed", unit="bytes",
        over="machine",
        title="memory to infer", rank=7, text=gibibytes,
    ),
    Metric(name="library_memory_bytes", about="memory of Python and its libraries", unit="bytes", over="machine"),
    Metric(
        name="latency_p50_seconds", about="one image, deployed; median", unit="s",
        over="machine", title="latency p50", rank=4,
        text=milliseconds,
    ),
    Metric(name="latency_p95_seconds", about="one image, deployed; 95th percentile", unit="s", over="machine"),
    *(
        Metric(name=f"latency_p{share}_{end}_seconds", about=about, unit="s", over="machine")
        for share in (50, 95)
        for end, about in (("low", "lower end of its 95 % interval"), ("high", "upper end of its 95 % interval"))
    ),
    Metric(
        name="throughput_images_per_second", about="images inferred a second, in batches", unit="images/s",
        over="machine",
    ),
    Metric(
        name="inference_wait_share", about="share of waits for a core while these were measured", unit="share",
        over="machine",
    ),
    Metric(name="flops_per_image", about="FLOPs of a forward pass", unit="FLOPs", over="same", count=True),
    Metric(
        name="image_side", about="pixels of a side, as the network sees them", unit="pixels", over="same", count=True,
    ),
    Metric(
        name="decoded_side", about="pixels of a side, as the data set gave them", unit="pixels", over="same",
        count=True,
    ),
    Metric(name="threads", about="threads", unit="", over="same", count=True),
    Metric(
        name="trials_at_once", about="trials that the launcher ran on the machine at once", unit="", over="same",
        count=True,
    ),
)  # fmt: skip

METRICS = (*QUALITY, *TIME, *COST)
# By metric: the ends of an interval that each trial has measured for itself.
ENDS = {
    f"latency_p{share}_seconds": tuple(f"latency_p{share}_{end}_seconds" for end in ("low", "high"))
    for share in (50, 95)
}
OF_MACHINE = frozenset(metric.name for metric in METRICS if metric.over == "machine")


def metrics_of_predictions(*, detects: bool) -> list[Metric]:
    """Those that are computed from predictions and apply to a detector, or to a classifier."""
    others = "classifiers" if detects else "detectors"
    return [metric for metric in METRICS if metric.of and metric.applies_to != others]


def from_predictions(predictions: Predictions, *, detects: bool) -> dict[str, Number | None]:
    """Every metric that comes from the predictions of a detector, or of a classifier, by its name."""
    return {metric.name: metric.of(predictions) for metric in metrics_of_predictions(detects=detects) if metric.of}
