"""A trace of a training: where its time goes, of some of its steps, by torch's profiler.

It trains no further than those steps, reads no test image and leaves no shard.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from torch.autograd.profiler_util import FunctionEventAvg
from torch.profiler import ProfilerActivity, profile

from lab2.errors import ConfigError
from lab2.spec.job import Trial
from lab2.trial import set_up

WARM_UP_STEPS = 3  # slower than the others: they allocate memory and choose kernels
STEPS = 20
PHASES = ("data", "forward", "backward", "optimizer")  # names of the `record_function` blocks in the loops
FEATURES = "features"  # computed once, before the first step


@dataclass(frozen=True, slots=True)
class Operation:
    """The time of one kind of operation, without the operations that it calls."""

    name: str
    seconds_per_step: float
    calls_per_step: float


@dataclass(frozen=True, slots=True)
class Trace:
    """Where the time of a training goes."""

    steps: int  # that were traced
    total_steps: int  # of the whole training
    step_seconds: float
    shares: dict[str, float]  # by phase: its share of the whole training's time
    operations: tuple[Operation, ...]  # the slowest first
    file: Path


def trace_trial(trial: Trial, file: Path, *, device: str = "auto", top: int = 10) -> Trace:
    """Trace `STEPS` steps of `trial`, and write them to `file` in Chrome's trace format.

    `top` is the number of operations to list. Source of the format: "Trace Event Format" (Google); Perfetto and
    chrome://tracing show it. Raises `Lab2Error` for a trial that cannot be trained.
    """
    if trial.job.model.fitted:
        raise ConfigError(f"{trial.job.name}: fitted in one step, of which there is nothing to trace; name another job")
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # otherwise the profiler logs to standard error
    trainer = set_up(trial, device, None).trainer
    trainer.graphed = False  # inside a graph the phases of a step cannot be told apart
    steps = trainer.fit()
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if trainer.device.type == "cuda" else [])]
    with profile(activities=activities) as first_profile:  # includes what is computed once, before the first step
        first = next(steps)
    for _ in zip(range(WARM_UP_STEPS), steps, strict=False):
        pass
    with profile(activities=activities) as steps_profile:
        count = sum(1 for _ in zip(range(STEPS), steps, strict=False))
    if not count:  # the training has no steps after the warm-up
        steps_profile, count = first_profile, 1
    file.parent.mkdir(parents=True, exist_ok=True)
    steps_profile.export_chrome_trace(str(file))
    events = {event.key: event for event in steps_profile.key_averages()}
    by_phase = {phase: _seconds(events[phase]) / count for phase in PHASES if phase in events}
    feature_seconds = next((_seconds(event) for event in first_profile.key_averages() if event.key == FEATURES), 0.0)
    total_seconds = feature_seconds + first.total * sum(by_phase.values())
    operations = [
        Operation(event.key, _seconds(event, own=True) / count, event.count / count)
        for event in events.values()
        if event.key not in (*PHASES, FEATURES)
    ]
    operations.sort(key=lambda operation: operation.seconds_per_step, reverse=True)
    return Trace(
        steps=count,
        total_steps=first.total,
        step_seconds=sum(by_phase.values()),
        shares={
            **{phase: first.total * seconds / total_seconds for phase, seconds in by_phase.items()},
            FEATURES: feature_seconds / total_seconds,
        },
        operations=tuple(operations[:top]),
        file=file,
    )


def _seconds(event: FunctionEventAvg, *, own: bool = False) -> float:
    """Seconds of an event, on the accelerator if it used one, else on the CPU. `own`: without its children."""
    on_device = event.self_device_time_total if own else event.device_time_total
    on_cpu = event.self_cpu_time_total if own else event.cpu_time_total
    return float(on_device or on_cpu) / 1e6
