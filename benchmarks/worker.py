"""Makes one measurement in a process of its own, and prints one line of JSON.

python -m benchmarks.worker textbook|plain|lab2 JOB SEED target ACCURACY LIMIT_SECONDS
python -m benchmarks.worker textbook|plain|lab2 JOB SEED rate STEPS WARM_UP_STEPS
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch

from benchmarks.textbook import Textbook, textbook_network
from lab2.data.datasets import TrainingData, load_training
from lab2.measure.cores import available_cores
from lab2.measure.flops import flops_per_image
from lab2.measure.scores import accuracy
from lab2.models.alexnet import AlexNetConfig
from lab2.models.vgg16 import VGG16Config
from lab2.spec.catalogue import read_catalogue
from lab2.spec.job import DataConfig, JobSpec, Trial
from lab2.train.classifier import ClassifierTrainer
from lab2.train.detector import DetectorTrainer
from lab2.train.trainer import Trainer
from lab2.trial import Ready, set_up

JOBS = Path(__file__).parents[1] / "jobs"

Steps = Iterator[tuple[int, bool]]  # the number of images of a step, and whether it was the last one of an epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The result of one measurement. Seconds are those of training alone."""

    way: str
    job: str
    seed: int
    seconds: float = 0.0
    images: int = 0
    # In mode "target": [seconds, validation accuracy] after each epoch.
    curve: list[list[float]] = field(default_factory=list)
    precision: str = "fp32"
    flops_per_image: int | None = None  # of the forward pass


def main(way: str, job: str, seed: str, mode: str, goal: str, limit: str) -> None:
    """Measure, and print the result. The arguments are those of the command line."""
    chosen = read_catalogue(JOBS)[job].job.for_dataset("mnist")
    trial = Trial(job=_from_random_weights(chosen), data=DataConfig(), seed=int(seed))
    subject: Textbook | Lab2Training
    match way:
        case "textbook":
            torch.set_num_threads(available_cores())
            subject = Textbook(trial.job, load_training(trial.data), trial.seed)
        case "plain":
            ready = set_up(trial, "cpu", None)
            subject = Lab2Training(_plain(trial, ready), ready.data)
        case "lab2":
            ready = set_up(trial, "cpu", None)
            subject = Lab2Training(ready.trainer, ready.data)
        case _:
            raise SystemExit(f"{way}: wanted textbook, plain or lab2")
    measured = Measured(way=way, job=job, seed=trial.seed, precision=subject.precision)
    if mode == "target":
        measured = _to_target(measured, subject, float(goal), float(limit))
    else:
        measured = _rate(measured, subject.steps(), int(goal), int(limit))
    if isinstance(subject, Lab2Training) and not isinstance(subject.trainer, DetectorTrainer):
        subject.trainer.model.eval()
        sample = torch.from_numpy(subject.data.train.pixels[:1])
        measured = replace(measured, flops_per_image=flops_per_image(subject.trainer.infer, sample).count)
    print(json.dumps(asdict(measured)))


def _from_random_weights(job: JobSpec) -> JobSpec:
    """The job with random weights. With ImageNet's, lab2 would compute the features only once."""
    if isinstance(job.model, AlexNetConfig | VGG16Config):
        return replace(job, model=replace(job.model, weights="random"))
    return job


def _plain(trial: Trial, ready: Ready) -> Trainer:
    """A tutorial's network in lab2's loop. In fp32, because torch's encoder is slower in bf16 on a CPU."""
    network, _ = textbook_network(trial.job.model, ready.data.shape)
    recipe, device = trial.job.train, ready.trainer.device
    return ClassifierTrainer(network, recipe, ready.data.train, device=device, precision="fp32", seed=trial.seed)


class Lab2Training:
    """A training by lab2, with the interface of `Textbook`."""

    def __init__(self, trainer: Trainer, data: TrainingData) -> None:
        self.trainer, self.data = trainer, data
        self.precision = trainer.precision

    def steps(self) -> Steps:
        """Train to the end of the recipe; yields the number of images of each step, and whether it ended an epoch."""
        size, before = len(self.data.train), 0
        for step in self.trainer.fit():
            yield step.images - before, step.last or step.images // size > before // size
            before = step.images

    def accuracy(self) -> float:
        """The validation accuracy."""
        return accuracy(self.trainer.predict(self.data.validation))


def _to_target(empty: Measured, subject: Textbook | Lab2Training, target: float, limit: float) -> Measured:
    """Train until the validation accuracy, measured after each epoch, reaches `target`, or until `limit` seconds."""
    seconds, images = 0.0, 0
    curve: list[list[float]] = []
    started = time.perf_counter()
    for count, ends_epoch in subject.steps():
        images += count
        if not ends_epoch:
            continue
        seconds += time.perf_counter() - started
        curve.append([seconds, subject.accuracy()])
        if curve[-1][1] >= target or seconds > limit:
            break
        started = time.perf_counter()
    return replace(empty, seconds=seconds, images=images, curve=curve)


def _rate(empty: Measured, steps: Steps, count: int, warm_up: int) -> Measured:
    """Time `count` steps after `warm_up` steps that are not counted."""
    for _ in range(warm_up):
        next(steps)
    started = time.perf_counter()
    images = sum(next(steps)[0] for _ in range(count))
    return replace(empty, seconds=time.perf_counter() - started, images=images)


if __name__ == "__main__":
    main(*sys.argv[1:])
