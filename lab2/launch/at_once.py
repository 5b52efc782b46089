"""`--parallel auto`: as many trials of a job at once as together train the most images a second, by measurement.

A small network gains little from a second thread, and two trials of one thread each then finish sooner than one after
the other. Where times are compared, one trial at a time is right: `lab2 run-local` does that unless it is told.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby

from lab2.launch.fork_server import make_server
from lab2.launch.gpus import Gpus
from lab2.launch.local import run_locally
from lab2.launch.status import TrialStatus
from lab2.results.run_dir import RunDir
from lab2.spec.budget import parse_budget
from lab2.spec.job import Trial
from lab2.spec.plan import Plan

LEAST_GAIN = 1.05  # times as many images a second, or fewer trials at once are better
MEMORY_SHARE = 0.8  # of the machine's memory, which the trials at once may need
_TAKEN = "its budget is time, which trials at once would take from one another"
READY = "ready"  # what a process of lab2/rate.py says before it waits


@dataclass(frozen=True, slots=True)
class Rate:
    """What some trials at once reach together."""

    at_once: int
    images_per_second: float
    memory_share: float  # of what the machine gives, that all of them need


def run_measured(
    run: RunDir, plan: Plan, trials: Sequence[Trial], *, cores: int, gpus: Sequence[str], report: Callable[[str], None]
) -> Generator[list[TrialStatus]]:
    """Run `trials`, those of one job or of its search after those of another; yields what `run_locally` does.

    `report` is called once for each job, with how many run at once and why; its first trial decides. With `gpus` there
    are as many at once as these take.
    """
    ordered = sorted(trials, key=lambda trial: plan.names.index(trial.name))
    for name, one_job in groupby(ordered, key=lambda trial: trial.group):
        group = list(one_job)
        at_once, why = _on_gpus(gpus, group) if gpus else chosen(run, group, cores)
        report(f"{name}: {at_once} at once ({why})")
        yield from run_locally(run, plan, group, parallel=at_once, cores=cores, gpus=gpus)


def _on_gpus(gpus: Sequence[str], trials: Sequence[Trial]) -> tuple[int, str]:
    if _is_timed(trials[0]):
        return len(gpus), f"one a GPU: {_TAKEN}"
    return Gpus(gpus).most(trials[0]), f"{trials[0].job.resources.trials_per_gpu} a GPU"


def _is_timed(trial: Trial) -> bool:
    budget = trial.job.train.budget
    return budget is not None and parse_budget(budget).is_time


def chosen(run: RunDir, trials: Sequence[Trial], cores: int) -> tuple[int, str]:
    """How many of the trials of one job at once, and why."""
    if len(trials) == 1:
        return 1, "there is one"
    if trials[0].job.model.fitted:
        return 1, "a baseline is fitted in one step"
    if _is_timed(trials[0]):
        return 1, _TAKEN
    rates: list[Rate] = []
    with ExitStack() as stack:
        python = sys.executable
        if (server := make_server(cores, str(run.path))) is not None:
            stack.callback(server.end)
            python = server.python
        at_once = 1
        while at_once <= min(cores, len(trials)):
            rate = measured(python, run, trials[0], at_once, max(1, cores // at_once))
            if rate is None or (rates and not is_better(rate, rates[-1])):
                break
            rates.append(rate)
            at_once *= 2
    if not rates:
        return 1, "its training cannot be measured; its log will say why"
    return rates[-1].at_once, ", ".join(f"{one.at_once}: {one.images_per_second:,.0f} images/s" for one in rates)


def is_better(rate: Rate, before: Rate) -> bool:
    """Whether more at once are worth it."""
    return rate.memory_share <= MEMORY_SHARE and rate.images_per_second >= LEAST_GAIN * before.images_per_second


def measured(python: str, run: RunDir, trial: Trial, at_once: int, threads: int) -> Rate | None:
    """The rate of so many processes that train `trial` at the same time; None where one of them fails."""
    words = [*shlex.split(python), "-u", "-m", "lab2.rate", str(run.path), trial.name, str(threads)]
    found = []
    with ExitStack() as stack:
        started = []
        for _ in range(at_once):
            process = subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            stack.enter_context(process)
            stack.callback(process.kill)  # before it is waited for: Ctrl-C must not wait
            started.append(process)
        if not all(process.stdout and process.stdout.readline().strip() == READY for process in started):
            return None
        for process in started:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        for process in started:
            assert process.stdout is not None
            answer = process.stdout.readline()
            if not answer:
                return None
            found.append(json.loads(answer))
    return Rate(
        at_once,
        sum(one["images_per_second"] for one in found),
        sum(one["memory_share"] for one in found),
    )
