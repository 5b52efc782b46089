"""Launches trials on this machine through submitit's local executor, a few at a time.

submitit's executor starts everything at once, keeps no GPU apart and times out after two minutes unless
told; the cap, the GPUs and the time limit are therefore ours. Trials outlive this process: whatever becomes
of it, a running trial goes on to its shard, and `lab2 resume` runs the ones that never started.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import submitit

from lab2.errors import RunError
from lab2.file_lock import holder
from lab2.launch.environment import trial_environment
from lab2.launch.logs import last_lines
from lab2.launch.status import TrialStatus, status, trial_status
from lab2.launch.task import TrialTask
from lab2.results.journal import make_way_for_attempt
from lab2.results.run_dir import RunDir
from lab2.results.shard import Status, unfinished, write_shard
from lab2.spec.job import Trial
from lab2.spec.plan import Plan

POLL_SECONDS = 0.25
STOP_SECONDS = 30  # for a trial that is told to stop; then it is killed
GRACE_SECONDS = 20  # before the time limit, for a trial to say that its time was up


def run_locally(
    run: RunDir, plan: Plan, trials: Sequence[Trial], *, parallel: int, cores: int, gpus: Sequence[int]
) -> Generator[list[TrialStatus]]:
    """Run `trials`, `parallel` at a time, each with its share of `cores`; yields the whole run's status.

    With `gpus`, each running trial has one to itself, so no more run at once than there are. Closing the
    generator (Ctrl-C in the loop around it) stops what was started, and leaves a row for each.
    """
    waiting = list(trials)
    free_gpus = list(gpus)
    running: list[_Running] = []
    limit = min(parallel, len(gpus)) if gpus else parallel
    try:
        while waiting or running:
            for one in [r for r in running if r.job.done()]:
                running.remove(one)
                free_gpus += one.gpus
                one.leave_row("failed", "its process ended without a result")
            while waiting and len(running) < limit:
                mine, free_gpus = free_gpus[:1], free_gpus[1:]
                threads = max(1, cores // min(limit, len(waiting) + len(running)))
                running.append(_start(run, plan, waiting.pop(0), threads, mine))
            yield status(run, plan).trials
            if running:
                time.sleep(POLL_SECONDS)
    finally:
        _stop(running)
    yield status(run, plan).trials


class _Running:
    """A trial that was started here, and what the machine looked like then."""

    def __init__(self, run: RunDir, plan: Plan, trial: Trial, job: submitit.Job[str], gpus: list[int]) -> None:
        self.run, self.plan, self.trial, self.job, self.gpus = run, plan, trial, job, gpus
        self.started = time.time()
        self.kills = _out_of_memory_kills()

    def leave_row(self, state: Status, reason: str) -> None:
        """Write the shard that a trial could not write itself: it was killed, or never began."""
        if trial_status(self.run, self.plan, self.trial).state not in ("lost", "waiting"):
            return
        if _out_of_memory_kills() > self.kills:
            state, reason = "out_of_memory", "the kernel ended it: the machine ran out of memory"
        elif time.time() - self.started >= 60 * self.trial.job.resources.timeout_min - 1:
            state, reason = "timeout", "its time was up; lab2 resume --set resources.timeout_min=... gives it more"
        elif lines := last_lines(self.run, self.trial):
            reason = f"{reason}; its log ends: {lines[-1]}"
        write_shard(self.run.shard(self.trial.name), unfinished(self.trial, state, reason))


def _start(run: RunDir, plan: Plan, trial: Trial, threads: int, gpus: list[int]) -> _Running:
    executor = submitit.LocalExecutor(run.logs(trial.name))
    seconds = 60 * trial.job.resources.timeout_min
    executor.update_parameters(
        timeout_min=trial.job.resources.timeout_min,
        signal_delay_s=int(min(GRACE_SECONDS, seconds / 4)),
        gpus_per_node=len(gpus),
        visible_gpus=tuple(gpus),
        stderr_to_stdout=True,
    )
    make_way_for_attempt(run, trial.name)
    with trial_environment(threads), _terminal_ignored():  # a trial sees its own GPU and no other
        job = executor.submit(TrialTask(run.path, trial.name, "cuda" if gpus else plan.device, threads))
    return _Running(run, plan, trial, job, gpus)


def _stop(running: Sequence[_Running]) -> None:
    """End what still runs: politely, so that it leaves its row, then for good.

    SIGTERM goes on to the trial; it is sent again because submitit discards it while the trial imports torch.
    """
    with _ignored(signal.SIGINT):  # an impatient second Ctrl-C must not leave trials behind
        until = time.monotonic() + STOP_SECONDS
        while left := [one for one in running if not one.job.done()]:
            late = time.monotonic() > until
            for one in left:
                trial = holder(one.run.lock(one.trial.name))
                with suppress(ProcessLookupError):
                    if late and trial:
                        os.kill(trial.pid, signal.SIGKILL)
                    else:
                        os.kill(int(one.job.job_id), signal.SIGTERM)
            time.sleep(POLL_SECONDS)
        for one in running:
            one.leave_row("cancelled", "stopped with the run")


def stop_trials(run: RunDir, trials: Sequence[str]) -> list[str]:
    """Ask the processes that run `trials` to stop, whoever launched them; returns the trials that had one.

    Raises `RunError` for one that this process cannot reach.
    """
    running = {trial: found for trial in trials if (found := holder(run.lock(trial)))}
    for trial, found in running.items():
        if not found.here:
            raise RunError(f"{trial} runs elsewhere, or in a container ({found.where}); stop it there")
        try:
            os.kill(found.pid, signal.SIGTERM)
        except PermissionError as error:
            raise RunError(f"{trial} runs as process {found.pid} of another user; only they can stop it") from error
        except ProcessLookupError:
            continue
    return list(running)


@contextmanager
def _terminal_ignored() -> Iterator[None]:
    """Processes started inside are deaf to the terminal: an ignored signal stays ignored.

    They survive its end, and its Ctrl-C reaches this process alone, which stops them in order. Trials set
    handlers of their own; submitit's controllers would write a traceback.
    """
    with _ignored(signal.SIGHUP), _ignored(signal.SIGINT):
        yield


@contextmanager
def _ignored(number: signal.Signals) -> Iterator[None]:
    before = signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(number, before)


def _out_of_memory_kills() -> int:
    """How many processes the kernel has ended for want of memory since it started; 0 where it does not say."""
    try:
        for line in Path("/proc/vmstat").read_text().splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    except OSError:
        pass
    return 0
