"""The parts of `check.sh`, each a command: python -m benchmarks.gpu ceilings, row, same, step, seeds, table."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import typer
from safetensors.numpy import load_file

from benchmarks.gpu.ceilings import measure_ceilings, peak_rate
from benchmarks.gpu.steps import describe_step
from lab2.results.collect import collect
from lab2.results.run_dir import RunDir
from lab2.results.shard import Shard

PATIENCE = 60.0  # seconds until a training has begun
STARTED = 0.4  # epochs, after which it is interrupted

app = typer.Typer(add_completion=False)
FIVE = ("cnn", "vit", "alexnet", "vgg16", "faster_rcnn")


def shards(runs: Path) -> Iterator[Shard]:
    """The rows of all runs in a folder, the newest run first."""
    for folder in sorted(runs.glob("*/plan.json"), reverse=True):
        yield from collect(RunDir(folder.parent)).rows


def shard(runs: Path, job: str) -> Shard | None:
    """The newest row of that job that is ok."""
    return next((one for one in shards(runs) if one.job == job and one.status == "ok"), None)


def predictions(runs: Path, job: str) -> dict[str, np.ndarray[Any, Any]] | None:
    """What the newest trial of that job predicted for the test images."""
    found = sorted(runs.glob(f"*/predictions/{job}-seed1.safetensors"))
    return load_file(found[-1]) if found else None


@app.command()
def ceilings() -> None:
    """The card, and its rates."""
    print(measure_ceilings())


@app.command()
def row(runs: Path, job: str) -> None:
    """One line on a trial."""
    print(_line(shard(runs, job)) or f"{job}: NOT OK", flush=True)


def _line(one: Shard | None) -> str:
    if one is None:
        return ""
    detected = f", mAP50 {one.map_50:.3f}" if one.map_50 is not None else ""
    memory = f"{(one.peak_memory_bytes or 0) / 2**20:,.0f} MiB of the {one.memory_of}"
    return (
        f"{one.job}: {one.accuracy:.2%} of the test images{detected}, {one.precision}, "
        f"training {one.train_seconds:.2f} s, start {one.startup_seconds:.1f} s, wall {one.wall_seconds:.1f} s, "
        f"{one.train_images_per_second:,.0f} images/s, {_mfu(one):.2%} of the peak, {memory}, "
        f"latency {1e3 * (one.latency_p50_seconds or 0):.2f} ms, {one.device_name}"
    )


def _mfu(one: Shard) -> float:
    """Model FLOPs utilisation (arXiv:2204.02311): three forward passes a training image, over the card's peak."""
    return float(3 * (one.flops_per_image or 0) * one.train_images_per_second / peak_rate(one.precision))


@app.command()
def same(first: Path, second: Path, job: str) -> None:
    """Whether two trials predict the same, bit for bit."""
    one, two = predictions(first, job), predictions(second, job)
    if one is None or two is None:
        print(f"{job}: nothing to compare")
        return
    equal = one.keys() == two.keys() and all(np.array_equal(one[name], two[name], equal_nan=True) for name in one)
    differ = int((one["y_pred"] != two["y_pred"]).sum())
    print(f"{job}: {'THE SAME BITS' if equal else f'DIFFERENT BITS, {differ} labels'}", flush=True)


@app.command()
def await_training(runs: Path, job: str) -> None:
    """Return in the middle of a training."""
    until = time.time() + PATIENCE
    while time.time() < until:
        for file in runs.glob(f"*/progress/{job}-seed1.json"):
            progress = json.loads(file.read_bytes())
            if progress["state"] == "training" and progress["epoch"] > STARTED:
                return
        time.sleep(0.02)
    sys.exit("it did not begin to train")


@app.command()
def step(job: str, device: str = "cuda") -> None:
    """Where the time of a training step goes."""
    print(describe_step(job, device), flush=True)


@app.command()
def seeds(runs: Path) -> None:
    """The seconds of training and of work of all trials of a run."""
    rows = [one for one in shards(runs) if one.status == "ok" and one.job == "cnn"]
    training = sum(one.train_seconds or 0 for one in rows)
    print(
        f"{len(rows)} seeds: training {training:.2f} s in all, wall {sum(one.wall_seconds or 0 for one in rows):.1f} s"
    )


@app.command()
def table(runs: Path) -> None:
    """The five rows as Markdown."""
    print("| job | accuracy | training s | start s | wall s | images/s | of the peak | MiB | latency ms |")
    print("|---|---|---|---|---|---|---|---|---|")
    for job in FIVE:
        if (one := shard(runs, job)) is not None:
            print(
                f"| {job} | {one.accuracy:.2%} | {one.train_seconds:.2f} | {one.startup_seconds:.1f} | "
                f"{one.wall_seconds:.1f} | {one.train_images_per_second:,.0f} | {_mfu(one):.2%} | "
                f"{(one.peak_memory_bytes or 0) / 2**20:,.0f} | {1e3 * (one.latency_p50_seconds or 0):.2f} |"
            )


if __name__ == "__main__":
    app()
