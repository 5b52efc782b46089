"""Whole trials on a GPU: their rows, whether a second one has the same bits, and what an interruption changes."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

import lab2
from benchmarks.gpu.ceilings import peak_rate
from lab2.launch.planning import plan_trials, start_run
from lab2.results.journal import read_progress
from lab2.results.run_dir import RunDir
from lab2.results.shard import Shard, read_shard
from lab2.spec.catalogue import read_catalogue
from lab2.spec.job import DataConfig, JobSpec, Trial
from lab2.stop import Stopped
from lab2.trial import run_trial

JOBS = Path(__file__).parents[2] / "jobs"
PART = ("train.epochs=0.1", "data.validation_images=500", "data.test_images=1000")  # where only bits are compared


@dataclass(frozen=True, slots=True)
class Trials:
    """Trials on one device, in runs below a folder."""

    out: Path
    device: str
    settings: tuple[str, ...]  # of each, before all others

    def row(self, job: str) -> str:
        """Train `job` by its recipe; one line on it."""
        return self._line(self._run("first", job))

    def again(self, job: str) -> str:
        """Train `job` once more; whether it predicts the same."""
        shard = self._run("second", job)
        return f"{job}: training {shard.train_seconds:.2f} s; {self._compare('first', 'second', job)}"

    def with_and_without_graph(self, job: str | JobSpec) -> str:
        """Of a tenth of an epoch: whether a graph changes a bit, what it is worth, and whether it repeats itself."""
        part = (*PART, "model.test_scenes=50") if job == "faster_rcnn" else PART
        on, off, again = (
            self._run(folder, job, *part, f"train.cuda_graph={graph}")
            for folder, graph in (("on", "on"), ("off", "off"), ("again", "on"))
        )
        return (
            f"{on.job}: {on.train_seconds:.2f} and {again.train_seconds:.2f} s where a graph is asked for (steps: "
            f"{on.steps}): {self._compare('on', 'again', on.job)}; "
            f"{off.train_seconds:.2f} s without ({off.steps}): {self._compare('on', 'off', on.job)}"
        )

    def interrupted(self, job: str) -> str:
        """Stop a training by SIGTERM in its midst and go on from its checkpoint; whether it then predicts the same."""
        settings = ("train.epochs=1", *(("model.test_scenes=50",) if job == "faster_rcnn" else ()), *self.settings)
        self._run("whole", job, *settings)
        (trial,) = plan_trials([read_catalogue(JOBS)[job].job], [1], DataConfig(), settings, smoke=False)
        run = start_run(self.out / "resumed", [trial], smoke=False, device=self.device)
        threading.Thread(target=_stop_in_midst, args=(run, trial), daemon=True).start()
        try:
            run_trial(trial, run, device=self.device, requeue=True)
            at = "never"
        except Stopped:
            stopped = read_progress(run, trial.name)
            at = f"epoch {stopped.epoch:.3g}" if stopped else "?"
        run_trial(trial, run, device=self.device, requeue=True)
        return f"{job}: stopped at {at}: {self._compare('whole', 'resumed', job)}"

    def seeds(self, job: str, count: int) -> str:
        """The seconds that so many seeds train, one after the other."""
        shards = [self._run("seeds", job, seed=seed) for seed in range(1, 1 + count)]
        training, wall = (sum(getattr(one, name) for one in shards) for name in ("train_seconds", "wall_seconds"))
        accuracy = np.mean([one.accuracy for one in shards])
        return f"{job}: {count} seeds: training {training:.2f} s, wall {wall:.1f} s, accuracy {accuracy:.2%}"

    def table(self, jobs: list[str]) -> str:
        """The rows as Markdown, also in `table.md`."""
        lines = [
            "| job | accuracy | mAP50 | training s | start s | wall s | images/s | of the peak | MiB | latency ms |",
            "|---|---|---|---|---|---|---|---|---|---|",
        ]
        total = 0.0
        for job in jobs:
            one = self._shard("first", job)
            if one is not None and one.status == "ok":
                total += one.train_seconds
                lines.append(
                    f"| {job} | {one.accuracy:.2%} | {'' if one.map_50 is None else f'{one.map_50:.3f}'} | "
                    f"{one.train_seconds:.2f} | {one.startup_seconds:.1f} | {one.wall_seconds:.1f} | "
                    f"{one.train_images_per_second:,.0f} | {self._utilisation(one):.2%} | "
                    f"{(one.peak_memory_bytes or 0) / 2**20:,.0f} | {1e3 * (one.latency_p50_seconds or 0):.2f} |"
                )
        text = "\n".join([*lines, "", f"{total:.2f} s of training together."])
        (self.out / "table.md").write_text(text + "\n")
        return text

    def _run(self, folder: str, job: str | JobSpec, *settings: str, seed: int = 1) -> Shard:
        """Raises `RuntimeError` where the trial is not ok."""
        every = (*settings, *self.settings)
        shard = lab2.run(job, seed=seed, settings=every, device=self.device, runs=self.out / folder)
        if shard.status != "ok":
            raise RuntimeError(f"{shard.job}: {shard.status}: {shard.reason}")
        return shard

    def _line(self, one: Shard) -> str:
        detected = "" if one.map_50 is None else f", mAP50 {one.map_50:.3f}"
        return (
            f"{one.job}: {one.accuracy:.2%} of the test images{detected}, {one.precision}, {one.steps} steps, training "
            f"{one.train_seconds:.2f} s, start {one.startup_seconds:.1f} s, wall {one.wall_seconds:.1f} s, "
            f"{one.train_images_per_second:,.0f} images/s, {self._utilisation(one):.2%} of the peak, "
            f"{(one.peak_memory_bytes or 0) / 2**20:,.0f} MiB of the {one.memory_of}, {one.device_name}"
        )

    def _utilisation(self, one: Shard) -> float:
        """Model FLOPs utilisation (arXiv:2204.02311): three forward passes a training image, over the card's peak."""
        return 3 * (one.flops_per_image or 0) * float(one.train_images_per_second) / peak_rate(self.out, one.precision)

    def _shard(self, folder: str, job: str) -> Shard | None:
        found = sorted((self.out / folder).glob(f"2*/shards/{job}-seed1.json"))
        return read_shard(found[-1]) if found else None

    def _compare(self, first: str, second: str, job: str) -> str:
        found = [sorted((self.out / one).glob(f"2*/predictions/{job}-seed1.safetensors")) for one in (first, second)]
        one, two = (load_file(files[-1]) for files in found)
        equal = one.keys() == two.keys() and all(np.array_equal(one[name], two[name], equal_nan=True) for name in one)
        return "the same bits" if equal else f"DIFFERENT: {(one['y_pred'] != two['y_pred']).sum()} labels"


def _stop_in_midst(run: RunDir, trial: Trial) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        progress = read_progress(run, trial.name)
        if progress is not None and progress.state == "training" and progress.epoch > progress.epochs / 4 > 0:
            os.kill(os.getpid(), signal.SIGTERM)
            return
        time.sleep(0.01)
