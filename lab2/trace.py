"""A trace of a training: where its time goes, of some of its steps, by torch's profiler.

It trains no further than those steps, reads no test image and leaves no shard.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from torch.autograd.profiler_util import FunctionEventAvg
from torch.profiler import ProfilerActivity, profile

from lab2.spec.job import Trial
from lab2.trial import set_up

WARM_UP_STEPS = 3  # the first ones allocate, and choose kernels
STEPS = 20
PHASES = ("data", "forward", "backward", "optimizer")  # what the loops call their parts
FEATURES = "features"  # computed once, before the first step


@dataclass(frozen=True, slots=True)
class Operation:
    """One kind of operation, without those that it calls."""

    name: str
    seconds_per_step: float
    calls_per_step: float


@dataclass(frozen=True, slots=True)
class Trace:
    """Where the time goes."""

    steps: int  # that were traced
    total_steps: int  # of the whole training
    step_seconds: float
    shares: dict[str, float]  # of the whole training's time, by its parts
    operations: tuple[Operation, ...]  # the costliest first
    file: Path


def trace_trial(trial: Trial, file: Path, *, device: str = "auto", top: int = 10) -> Trace:
    """Trace `STEPS` steps of `trial`, and write them to `file` in Chrome's trace format.

    Source of the format: "Trace Event Format" (Google); Perfetto and chrome://tracing show it.
    Raises `Lab2Error` for what cannot be trained.
    """
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # it reports each start to standard error
    trainer = set_up(trial, device, None).trainer
    steps = trainer.fit()
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if trainer.device.type == "cuda" else [])]
    with profile(activities=activities) as before:  # what is computed once comes with the first step
        first = next(steps)
    for _ in zip(range(WARM_UP_STEPS), steps, strict=False):
        pass
    with profile(activities=activities) as watched:
        seen = sum(1 for _ in zip(range(STEPS), steps, strict=False))
    if not seen:  # a training of fewer steps than the warm-up
        watched, seen = before, 1
    file.parent.mkdir(parents=True, exist_ok=True)
    watched.export_chrome_trace(str(file))
    events = {event.key: event for event in watched.key_averages()}
    by_phase = {phase: _seconds(events[phase]) / seen for phase in PHASES if phase in events}
    once = next((_seconds(event) for event in before.key_averages() if event.key == FEATURES), 0.0)
    whole = once + first.total * sum(by_phase.values())
    operations = [
        Operation(event.key, _seconds(event, own=True) / seen, event.count / seen)
        for event in events.values()
        if event.key not in (*PHASES, FEATURES)
    ]
    operations.sort(key=lambda operation: operation.seconds_per_step, reverse=True)
    return Trace(
        steps=seen,
        total_steps=first.total,
        step_seconds=sum(by_phase.values()),
        shares={
            **{phase: first.total * seconds / whole for phase, seconds in by_phase.items()},
            FEATURES: once / whole,
        },
        operations=tuple(operations[:top]),
        file=file,
    )


def _seconds(event: FunctionEventAvg, *, own: bool = False) -> float:
    """Of the accelerator where the event used one; else of the CPU."""
    on_device = event.self_device_time_total if own else event.device_time_total
    on_cpu = event.self_cpu_time_total if own else event.cpu_time_total
    return float(on_device or on_cpu) / 1e6
