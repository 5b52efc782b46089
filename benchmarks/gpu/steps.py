"""Where the time of a training step goes: its milliseconds, its kernels, and where it waits for the GPU."""

from __future__ import annotations

import time
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from lab2.launch.planning import plan_trials
from lab2.measure.hardware import synchronize
from lab2.spec.catalogue import read_catalogue
from lab2.spec.job import DataConfig
from lab2.train.stage import Step
from lab2.trial import set_up

JOBS = Path(__file__).parents[2] / "jobs"
TIMED = 60  # steps
WARM_UP = 5
PROFILED = 3


def describe_step(job: str, device: str) -> str:
    """One line on a step of that job."""
    (trial,) = plan_trials([read_catalogue(JOBS)[job].job], [1], DataConfig(), [], smoke=False)
    trainer = set_up(trial, device, None).trainer
    steps = trainer.fit()
    first = _milliseconds(steps, 1, trainer.device)
    _milliseconds(steps, WARM_UP, trainer.device)
    said = [f"first {first:,.0f} ms", f"then {_milliseconds(steps, TIMED, trainer.device):.2f} ms"]
    if trainer.device.type == "cuda":
        said += [_waits(steps), _kernels(steps)]
    return f"{job}: a step: {'; '.join(said)}"


def _milliseconds(steps: Iterator[Step], count: int, device: torch.device) -> float:
    synchronize(device)
    started = time.perf_counter()
    for _ in range(count):
        next(steps)
    synchronize(device)
    return 1e3 * (time.perf_counter() - started) / count


def _waits(steps: Iterator[Step]) -> str:
    torch.cuda.set_sync_debug_mode("warn")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        next(steps)
    torch.cuda.set_sync_debug_mode("default")
    where = Counter(f"{Path(w.filename).name}:{w.lineno}" for w in caught if "synchroniz" in str(w.message))
    return f"{where.total()} waits {where.most_common(3) if where else ''}".strip()


def _kernels(steps: Iterator[Step]) -> str:
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiler:
        for _ in range(PROFILED):
            next(steps)
        torch.cuda.synchronize()
    events = profiler.events()
    kernels = [e for e in events if str(e.device_type).endswith("CUDA") and not e.is_user_annotation]
    busy = sum(e.time_range.elapsed_us() for e in kernels) / 1e3 / PROFILED
    calls = Counter(e.name for e in events if e.name.startswith(("cuda", "cuLaunch")))
    launches = sum(count for name, count in calls.items() if "Launch" in name)
    longest = Counter[str]()
    for e in kernels:
        longest[e.name[:40]] += e.time_range.elapsed_us()
    most = ", ".join(f"{name} {us / 1e3 / PROFILED:.2f} ms" for name, us in longest.most_common(3))
    return (
        f"{len(kernels) / PROFILED:.0f} kernels busy for {busy:.2f} ms, {launches / PROFILED:.0f} launches, "
        f"{calls['cudaMemcpyAsync'] / PROFILED:.0f} copies, {calls['cudaStreamSynchronize'] / PROFILED:.0f} stream "
        f"waits; longest: {most}"
    )
