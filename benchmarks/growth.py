"""How the time of training grows with the number of images, their side, the parameters and the seeds.

Each curve is measured in a process of its own, in the environment of a trial, on images of noise. The seconds are
those of training alone; for seeds they are those of the whole command. The exponent e is that of seconds = c x^e,
fitted by least squares to the logarithms. The last exponent is that between the two largest sizes, where constant costs
have the least weight.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch

from benchmarks.apart import ROOT, measured_by
from lab2.data.datasets import DataShape
from lab2.data.source import Images
from lab2.launch.environment import ALLOCATION
from lab2.measure.cores import available_cores
from lab2.measure.cost import count_parameters
from lab2.measure.hardware import make_repeatable
from lab2.models.building import build
from lab2.models.cnn import CNNConfig
from lab2.models.vit import ViTConfig
from lab2.spec.architectures import ModelConfig
from lab2.spec.catalogue import read_catalogue
from lab2.spec.job import JobSpec
from lab2.train.classifier import ClassifierTrainer
from lab2.train.precision import choose_precision

STEPS, WARM_UP = 12, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """The seconds for each size of the quantity `grows`."""

    job: str
    grows: str
    sizes: list[int]
    seconds: list[float]

    @property
    def exponent(self) -> float:
        """The exponent of the whole curve."""
        return float(np.polyfit(np.log(self.sizes), np.log(self.seconds), 1)[0])

    @property
    def last_exponent(self) -> float:
        """The exponent between the two largest sizes."""
        return math.log(self.seconds[-1] / self.seconds[-2]) / math.log(self.sizes[-1] / self.sizes[-2])


def measure() -> Iterator[Curve]:
    """Each curve in a process of its own."""
    for name in CURVES:
        yield Curve(**measured_by("growth", name, environment=dict(os.environ) | ALLOCATION))


def _trainer(job: JobSpec, count: int, side: int) -> ClassifierTrainer:
    noise = np.random.default_rng(1)
    pixels = noise.integers(0, 256, (count, 1, side, side), dtype=np.uint8)
    images = Images(pixels, noise.integers(0, 10, count))
    shape = DataShape(1, side, tuple("0123456789"), (0.5,), (0.3,), plain_background=False)
    device = torch.device("cpu")
    precision = choose_precision(job.train.precision, job.model, device)
    model = build(job.model, shape).model
    return ClassifierTrainer(model, job.train, images, device=device, precision=precision, seed=1)


def _job(name: str, model: ModelConfig | None = None) -> JobSpec:
    job = read_catalogue(ROOT / "jobs")[name].job.for_dataset("mnist")
    return replace(job, model=model or job.model)


def _step_seconds(job: JobSpec, side: int = 28) -> float:
    """The median seconds of a training step, after a warm-up."""
    trainer = _trainer(replace(job, train=replace(job.train, epochs=STEPS + WARM_UP)), job.train.batch_size, side)
    seconds, before = [], time.perf_counter()
    for _ in trainer.fit():
        now = time.perf_counter()
        seconds.append(now - before)
        before = now
    return statistics.median(seconds[WARM_UP:])


def _training_seconds(job: JobSpec, images: int) -> float:
    """The seconds of a whole training."""
    trainer = _trainer(job, images, 28)
    started = time.perf_counter()
    for _ in trainer.fit():
        pass
    return time.perf_counter() - started


def _images(job: JobSpec) -> Curve:
    counts = [3_000, 6_000, 12_000, 24_000, 48_000]
    one_epoch = replace(job, train=replace(job.train, epochs=1))
    seconds = [_training_seconds(one_epoch, count) for count in counts]
    return Curve(job=job.name, grows="images", sizes=counts, seconds=seconds)


def _seeds(name: str) -> Curve:
    """The curve over seeds: the seconds of the whole command, from its start to the table."""
    counts, seconds = [1, 2, 4, 8], []
    with tempfile.TemporaryDirectory(prefix="lab2-growth-") as runs:
        words = ["run-local", "--no-baselines", "--jobs", name, "--runs", runs, "--quick", "--seeds"]
        for count in counts:
            started = time.perf_counter()
            command = [sys.executable, "-m", "lab2.cli", *words, str(count)]
            subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
            seconds.append(time.perf_counter() - started)
    return Curve(job=name, grows="seeds", sizes=counts, seconds=seconds)


def _sides(job: JobSpec, grows: str, unit: int) -> Curve:
    sides = [28, 56, 84, 112, 140]
    sizes = [(side // unit) ** 2 for side in sides]
    return Curve(job=job.name, grows=grows, sizes=sizes, seconds=[_step_seconds(job, side) for side in sides])


def _parameters(name: str, models: list[ModelConfig]) -> Curve:
    jobs = [_job(name, model) for model in models]
    sizes = [count_parameters(_trainer(job, 100, 28).model)[0] for job in jobs]
    return Curve(job=name, grows="parameters", sizes=sizes, seconds=[_step_seconds(job) for job in jobs])


CURVES: dict[str, Callable[[], Curve]] = {
    "cnn-images": lambda: _images(_job("cnn")),
    "vit-images": lambda: _images(_job("vit")),
    "cnn-seeds": lambda: _seeds("cnn"),
    "cnn-pixels": lambda: _sides(_job("cnn"), "pixels", 1),
    "vit-tokens": lambda: _sides(_job("vit"), "tokens", 4),
    "cnn-parameters": lambda: _parameters(
        "cnn", [CNNConfig(filters=(n, 2 * n), hidden=12 * n) for n in (16, 32, 64, 128)]
    ),
    "vit-parameters": lambda: _parameters("vit", [ViTConfig(dim=dim, num_heads=4) for dim in (20, 40, 80, 160, 320)]),
}


def markdown(curves: list[Curve]) -> str:
    """The curves as a Markdown table."""
    lines = ["| job | grows with | sizes | seconds | exponent | of the last two |", "|---|---|---|---|---|---|"]
    for c in curves:
        sizes, seconds = ", ".join(f"{n:,}" for n in c.sizes), ", ".join(f"{s:.3g}" for s in c.seconds)
        lines.append(f"| {c.job} | {c.grows} | {sizes} | {seconds} | {c.exponent:.2f} | {c.last_exponent:.2f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    torch.set_num_threads(available_cores())
    make_repeatable(1)
    print(json.dumps(asdict(CURVES[sys.argv[1]]())))
