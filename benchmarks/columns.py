"""Checks the columns of the table: measures each one a second time, by another way (docs/numbers.md describes them).

`python -m benchmarks --only columns`. For each job:

- `lab2 train` trains it for some steps, and the wall-clock time of that process is measured;
- a plain loop trains it again in another process, whose memory the parent process reads;
- scikit-learn scores the predictions, and the parameters are counted in the file of the weights;
- the network is exported, and a loop without lab2 measures its latency and throughput.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file
from safetensors.torch import load_file as load_tensors
from sklearn.metrics import accuracy_score
from torch import nn

from benchmarks.apart import ROOT
from lab2.data.datasets import load_test, load_training
from lab2.launch.environment import ALLOCATION
from lab2.measure.cores import available_cores
from lab2.models.building import build
from lab2.models.building.deploy import deploy
from lab2.spec.architectures import TransferConfig
from lab2.spec.catalogue import find_jobs
from lab2.spec.job import DataConfig, JobSpec, Trial
from lab2.train.classifier import ClassifierTrainer
from lab2.train.precision import dtype_of
from lab2.trial import set_up

IMAGES = {"cnn": 40_000, "vit": 40_000, "faster_rcnn": 10_000, "alexnet": 10_000, "vgg16": 4_000}  # seen in training
TRAIN_IMAGES, VALIDATION_IMAGES = 20_000, 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One number of a shard, and the same number measured in another way."""

    job: str
    column: str
    lab2: float
    other: float
    by: str  # how `other` was measured

    @property
    def ratio(self) -> float:
        return self.lab2 / self.other


def measure() -> Iterator[Check]:
    """The checks of all jobs, column by column."""
    with tempfile.TemporaryDirectory(prefix="lab2-columns-") as folder:
        for job in (entry.job for entry in find_jobs(ROOT / "jobs", IMAGES)):
            yield from _checks(job, Path(folder))


def markdown(rows: list[Check]) -> str:
    """The checks as a Markdown table."""
    lines = [f"| {r.job} | {r.column} | {r.lab2:.6g} | {r.other:.6g} | {r.ratio:.3f} | {r.by} |" for r in rows]
    return "\n".join(["| job | column | lab2 | otherwise | ratio | by |", "|---|---|---|---|---|---|", *lines])


def _settings(job: JobSpec) -> list[str]:
    """The overrides for a short training that saves its weights and is validated only at its end."""
    return [
        "train.save_weights=true", f"train.epochs={IMAGES[job.name] / TRAIN_IMAGES}",
        f"data.train_images={TRAIN_IMAGES}", f"data.validation_images={VALIDATION_IMAGES}",
        *(["model.weights=random"] if isinstance(job.model, TransferConfig) else []),
    ]  # fmt: skip


def _checks(job: JobSpec, folder: Path) -> Iterator[Check]:
    words = [sys.executable, "-m", "lab2.cli", "train", job.name, "--runs", str(folder / job.name)]
    words += [word for setting in _settings(job) for word in ("--set", setting)]
    environment = {**os.environ, **ALLOCATION}
    started = time.time()
    subprocess.run(words, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    (path,) = (folder / job.name / "latest" / "shards").glob("*.json")
    wall_seconds = path.stat().st_mtime - started  # until the shard was written: the command then prints its table
    shard: dict[str, Any] = json.loads(path.read_text())["row"]
    weights = folder / job.name / "latest" / "weights" / f"{job.name}-seed1.safetensors"

    def check(column: str, other: float, by: str) -> Check:
        return Check(job=job.name, column=column, lab2=float(shard[column]), other=other, by=by)

    yield check("wall_seconds", wall_seconds, "a stopwatch around the process")
    seconds, memory = _apart(environment, job.name)
    yield check("train_seconds", seconds, "a stopwatch around a loop over the steps, nothing between them")
    yield check("peak_memory_bytes", memory, "VmHWM of that loop, reset and read by its parent")
    _, memory = _apart(environment, job.name, str(weights))
    yield check("inference_memory_bytes", memory, "VmHWM of another process that infers 100 images, the same way")
    predictions = load_file(folder / job.name / "latest" / "predictions" / f"{job.name}-seed1.safetensors")
    truth, answer = predictions["y_true"], predictions["y_pred"]
    yield check("accuracy", float(accuracy_score(truth, answer)), "scikit-learn, from the saved predictions")
    yield check("macro_f1", _macro_f1(truth, answer), "numpy, from the counts of a confusion matrix")
    yield check("parameters", _count(weights, job), "the sizes of the tensors in the weights' file, without buffers")
    if job.name != "faster_rcnn":
        timed = _exported(job, weights, shard["precision"], folder, environment)
        for column in ("latency_p50_seconds", "throughput_images_per_second"):
            yield check(column, timed[column], "torch.export, and a loop without lab2 (benchmarks/exported.py)")


def _macro_f1(truth: NDArray[np.int16], answer: NDArray[np.int16]) -> float:
    """Macro F1 over the classes in `truth`; F1 is 2 true positives over (images of the class + predictions of it)."""
    return float(np.mean([
        2 * ((truth == c) & (answer == c)).sum() / ((truth == c).sum() + (answer == c).sum()) for c in np.unique(truth)
    ]))  # fmt: skip


def _trial(job: JobSpec) -> Trial:
    """The same short training as `_settings` gives, as a trial."""
    data = DataConfig(train_images=TRAIN_IMAGES, validation_images=VALIDATION_IMAGES)
    recipe = replace(job.train, images=None, epochs=IMAGES[job.name] / TRAIN_IMAGES)
    model = replace(job.model, weights="random") if isinstance(job.model, TransferConfig) else job.model
    return Trial(job=replace(job, train=recipe, model=model), data=data, seed=1)


def _apart(environment: dict[str, str], *words: str) -> tuple[float, float]:
    """Run `main` with `words` in a process of its own; returns its seconds and its peak of memory in bytes.

    This process resets and reads the peak of the other one. Source: proc(5), "clear_refs" and "VmHWM".
    """
    command = [sys.executable, "-m", "benchmarks.columns", *words]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:  # fmt: skip
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n", f"{words}: it failed; its error message is on standard error"
        Path(f"/proc/{child.pid}/clear_refs").write_text("5")
        print(file=child.stdin, flush=True)
        seconds = float(child.stdout.readline())
        status = Path(f"/proc/{child.pid}/status").read_text().splitlines()
        peak = 1024.0 * next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
        print(file=child.stdin, flush=True)
    return seconds, peak


def _count(weights: Path, job: JobSpec) -> int:
    """The number of parameters in the file, without its buffers (statistics and constants)."""
    network = build(_trial(job).job.model, load_training(DataConfig(train_images=100)).shape).model
    buffers = {name for name, _ in network.named_buffers()}
    return sum(tensor.size for name, tensor in load_file(weights).items() if name not in buffers)


def _exported(
    job: JobSpec, weights: Path, precision: str, folder: Path, environment: dict[str, str]
) -> dict[str, float]:
    """Deploy and export the trained network, and time it in a process that does not import lab2."""
    trial = _trial(job)
    data = load_training(trial.data)
    built = build(trial.job.model, data.shape)
    built.model.load_state_dict(load_tensors(weights))
    trainer = ClassifierTrainer(
        built.model, trial.job.train, data.train, device=torch.device("cpu"), precision=precision, seed=1
    )
    images = torch.from_numpy(load_test(trial.data).pixels[:250])
    deploy(trainer.model, trainer.infer, images, dtype_of(precision))
    np.save(folder / "images.npy", images.numpy())
    with torch.no_grad():
        for name, batch in (("one", images[:1]), ("many", images)):
            torch.export.save(torch.export.export(_Inference(trainer), (batch,)), folder / f"{name}.pt2")
    files = (ROOT / "benchmarks" / "exported.py", *(folder / name for name in ("one.pt2", "many.pt2", "images.npy")))
    environment = {**environment, "OMP_NUM_THREADS": str(available_cores())}
    done = subprocess.run(
        [sys.executable, *map(str, files)], env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    numbers: dict[str, float] = json.loads(done.stdout)
    return numbers


class _Inference(nn.Module):
    """The module to export: from (N, C, S, S) uint8 images to (N, K) logits."""

    def __init__(self, trainer: ClassifierTrainer) -> None:
        super().__init__()
        self.trainer, self.model = trainer, trainer.model

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.trainer.infer(images)


def main(name: str, weights: str = "") -> None:
    """Train the job `name`, or with `weights` infer single images. Runs in a process of its own.

    It prints "ready", waits for a line from its parent, does the work, prints the seconds, and waits for another line.
    """
    (entry,) = find_jobs(ROOT / "jobs", [name])
    job = entry.job
    trainer = set_up(_trial(job), "cpu", None).trainer
    if weights:
        trainer.model.load_state_dict(load_tensors(weights))
        trainer.release()
        images = torch.from_numpy(load_test(_trial(job).data).pixels[:250].copy())
        deploy(trainer.model, trainer.infer, images, dtype_of(trainer.precision))
    ctypes.CDLL(None).malloc_trim(0)  # memory that setting up has freed does not belong to the work
    print("ready", flush=True)
    input()
    started = time.perf_counter()
    if weights:
        with torch.inference_mode():
            for image in images[:100]:
                trainer.infer(image[None])
    else:
        for _ in trainer.fit():
            pass
    print(time.perf_counter() - started, flush=True)
    input()


if __name__ == "__main__":
    main(*sys.argv[1:])
