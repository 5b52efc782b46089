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

    name: str  # of the shard's field and of the column in CSV and JSON; it contains the unit
    about: str  # a short description
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
    Metric(name="accuracy", about="share of the test images that are recognised", of=scores.accuracy),
    Metric(name="macro_f1", about="F1, mean over the classes", title="F1", rank=1, text=share, of=scores.macro_f1),
    Metric(name="balanced_accuracy", about="recall, mean over the classes", of=scores.balanced_accuracy),
    Metric(name="log_loss", about="mean -ln of the right class's probability", of=scores.log_loss),
    Metric(
        name="calibration_error", about="expected calibration error", title="ECE", text=short_share,
        of=scores.calibration_error,
    ),
    Metric(name="map_50", about="mAP at an overlap of 0.5; detectors", title="mAP50", text=short_share),
    Metric(name="map_50_95", about="mAP, mean over overlaps of 0.5 to 0.95; detectors"),
    Metric(name="validation_accuracy", about="share of the validation images, at the end of training"),
    Metric(name="majority_accuracy", about="accuracy of the most frequent class", of=scores.majority_accuracy),
    Metric(name="test_images", about="test images", over="same", count=True, of=scores.test_images),
    Metric(name="classes", about="classes", over="same", count=True),
    Metric(name="tested_classes", about="classes with test images", over="same", count=True, of=scores.tested_classes),
)  # fmt: skip

TIME = (
    Metric(name="train_seconds", about="training", over="machine", title="training", rank=1, text=seconds),
    Metric(name="train_cpu_seconds", about="CPU seconds of training", over="machine"),
    Metric(name="train_wait_seconds", about="seconds of training in which threads waited for a core", over="machine"),
    Metric(name="wall_seconds", about="the whole trial, from its process's start to its shard", over="machine"),
    Metric(name="startup_seconds", about="the part of it before the first step", over="machine"),
    Metric(name="cpu_seconds", about="CPU seconds of the whole trial", over="machine"),
    Metric(name="attempts", about="processes that worked on the trial", count=True, over="same"),
    Metric(name="target_accuracy", about="the job's target, on validation images", over="same"),
    Metric(name="seconds_to_target", about="training until the target was reached", over="machine", every_seed=True),
    Metric(name="epochs", about="passes over the training images", over="same"),
    Metric(name="train_images", about="training images", over="same", count=True),
    Metric(name="train_images_per_second", about="images trained a second", over="machine"),
)

COST = (
    Metric(name="parameters", about="parameters of the network", over="same", count=True),
    Metric(name="trainable_parameters", about="parameters that are not frozen", over="same", count=True),
    Metric(name="trained_parameters", about="parameters that the optimiser moved", over="same", count=True),
    Metric(
        name="peak_memory_bytes", about="memory while it trained", over="machine", title="memory to train", rank=5,
        text=gibibytes,
    ),
    Metric(
        name="inference_memory_bytes", about="memory while it inferred single images, deployed", over="machine",
        title="to infer", rank=7, text=gibibytes,
    ),
    Metric(name="library_memory_bytes", about="memory of Python and its libraries", over="machine"),
    Metric(
        name="latency_p50_seconds", about="one image, deployed; median", over="machine", title="latency p50", rank=4,
        text=milliseconds,
    ),
    Metric(name="latency_p95_seconds", about="one image, deployed; 95th percentile", over="machine"),
    Metric(name="throughput_images_per_second", about="images inferred a second, in batches", over="machine"),
    Metric(name="inference_wait_share", about="share of waits for a core while these were measured", over="machine"),
    Metric(name="flops_per_image", about="FLOPs of a forward pass", over="same", count=True),
    Metric(name="image_side", about="pixels of a side, as the network sees them", over="same", count=True),
    Metric(name="threads", about="threads", over="same", count=True),
)  # fmt: skip

METRICS = (*QUALITY, *TIME, *COST)


def from_predictions(predictions: Predictions) -> dict[str, Number | None]:
    """Every metric that comes from predictions, by its name."""
    return {metric.name: metric.of(predictions) for metric in METRICS if metric.of}
