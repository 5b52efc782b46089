"""Launches trials on this machine through submitit's local executor, a few at a time.

submitit's local executor starts everything at once, shares out no GPUs, and by default ends a job after two minutes.
This module therefore limits how many trials run, gives each its GPU or its share of one, and sets the time limit. The
process of a trial is forked by `fork_server.py`, where that is possible: importing torch would take longer than a short
training. A running trial does not depend on this process: if this process ends, the trial goes on and writes its shard.
`lab2 resume` then runs the trials that never started.
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
from lab2.file_lock import Holder, holder, is_held
from lab2.launch.environment import trial_environment
from lab2.launch.fork_server import ForkServer, make_server
from lab2.launch.gpus import Gpus
from lab2.launch.logs import last_lines
from lab2.launch.status import TrialStatus, status, trial_status
from lab2.launch.task import TrialTask
from lab2.results.journal import clear_for_attempt
from lab2.results.run_dir import RunDir
from lab2.results.shard import Status, unfinished, write_shard
from lab2.spec.job import Trial
from lab2.spec.plan import Plan

POLL_SECONDS = 0.25
LINGER_SECONDS = 5  # for which a trial may hold its lock after its client was killed
STOP_SECONDS = 30  # from SIGTERM to SIGKILL
GRACE_SECONDS = 20  # before its time limit a trial is signalled, so that it can write a shard with status "timeout"


def run_locally(
    run: RunDir, plan: Plan, trials: Sequence[Trial], *, parallel: int, cores: int, gpus: Sequence[str]
) -> Generator[list[TrialStatus]]:
    """Run `trials`, `parallel` at a time, each with an equal share of `cores`; yields the status of the whole run.

    With `gpus`, as `CUDA_VISIBLE_DEVICES` names them, each running trial has one, or the share of one that its
    resources state, and waits until it is free. Closing the generator (Ctrl-C in the loop around it) stops the running
    trials and writes a shard for each.
    """
    waiting, servers = list(trials), _Servers(run)
    shared = Gpus(gpus)
    running: list[_Running] = []
    try:
        while waiting or running:
            for ended in [r for r in running if r.has_ended()]:
                running.remove(ended)
                if ended.gpu:
                    shared.give_back(ended.gpu, ended.trial)
                ended.write_missing_shard("failed", "its process ended without a result")
            while waiting and len(running) < parallel:
                gpu = shared.take(waiting[0]) if gpus else None
                if gpus and gpu is None:
                    break
                trial = waiting.pop(0)
                left = 1 + len(waiting) + len(running)
                threads = max(1, cores // most_at_once(trial, left, parallel, gpus))
                # For a GPU none is forked: once a process has used CUDA, its forks cannot, and an import might.
                python = None if gpu else servers.python(threads)
                beside = most_at_once(trial, len(trials), parallel, gpus)
                memory = shared.memory_share(trial, min(parallel, len(trials))) if gpu else 1.0
                task = TrialTask(
                    run.path,
                    trial.name,
                    "cuda" if gpu else plan.device,
                    gpu=gpu,
                    threads=threads,
                    at_once=beside,
                    gpu_share=memory,
                )
                running.append(_start(run, plan, trial, task, threads, python))
            yield status(run, plan).trials
            if running:
                time.sleep(POLL_SECONDS)
    finally:
        _stop(running)
        servers.end()
    yield status(run, plan).trials


def most_at_once(trial: Trial, trials: int, parallel: int, gpus: Sequence[str]) -> int:
    """How many of so many `trials` like `trial` run at the same time; each has its share of the cores."""
    return min(trials, parallel, Gpus(gpus).most(trial) if gpus else trials)


class _Running:
    """A trial that this process started, with the time and the machine's count of out-of-memory kills at its start."""

    def __init__(self, run: RunDir, plan: Plan, trial: Trial, job: submitit.Job[str], gpu: str | None) -> None:
        self.run, self.plan, self.trial, self.job, self.gpu = run, plan, trial, job, gpu
        self.started = time.time()
        self.kills = _out_of_memory_kills()
        self._ended_at: float | None = None

    def has_ended(self) -> bool:
        """Whether submitit's job has, and the trial, which may take a moment longer where its client was killed."""
        if not self.job.done():
            return False
        self._ended_at = self._ended_at or time.monotonic()
        return time.monotonic() > self._ended_at + LINGER_SECONDS or not is_held(self.run.lock(self.trial.name))

    def write_missing_shard(self, state: Status, reason: str) -> None:
        """Write the shard of a trial that was killed, or ended before it began; nothing if the trial wrote one.

        `state` and `reason` are written unless the evidence (memory, time limit, log) gives a better reason.
        """
        if trial_status(self.run, self.plan, self.trial).state not in ("lost", "waiting"):
            return
        if _out_of_memory_kills() > self.kills:
            state, reason = "out_of_memory", "the kernel ended it: the machine ran out of memory"
        elif time.time() - self.started >= 60 * self.trial.job.resources.timeout_min - 1:
            state, reason = "timeout", "its time was up; lab2 resume --set resources.timeout_min=... gives it more"
        elif lines := last_lines(self.run, self.trial):
            reason = f"{reason}; its log ends: {lines[-1]}"
        write_shard(self.run.shard(self.trial.name), unfinished(self.trial, state, reason))


class _Servers:
    """The fork server of a run's trials, made anew where they get another number of threads."""

    def __init__(self, run: RunDir) -> None:
        self.run = run
        self._all: list[ForkServer] = []

    def python(self, threads: int) -> str | None:
        """What stands for Python in the command of a trial; None: Python itself."""
        if not self._all or self._all[-1].threads != threads:
            with _terminal_ignored():
                server = make_server(threads, str(self.run.path))
            if server is None:
                return None
            self._all.append(server)
        return self._all[-1].python

    def end(self) -> None:
        """End them; their trials have ended."""
        for server in self._all:
            server.end()


def _start(run: RunDir, plan: Plan, trial: Trial, task: TrialTask, threads: int, python: str | None) -> _Running:
    executor = submitit.LocalExecutor(run.logs(trial.name), python=python)
    seconds = 60 * trial.job.resources.timeout_min
    executor.update_parameters(
        timeout_min=trial.job.resources.timeout_min,
        signal_delay_s=int(min(GRACE_SECONDS, seconds / 4)),
        stderr_to_stdout=True,
    )
    clear_for_attempt(run, trial.name)
    with trial_environment(threads), _terminal_ignored():
        # The task makes its GPU visible; submitit, whose list of them takes numbers alone, hides all from its process.
        job = executor.submit(task)
    return _Running(run, plan, trial, job, task.gpu)


def _stop(running: Sequence[_Running]) -> None:
    """End the trials that still run: with SIGTERM, so that they write their shard, after `STOP_SECONDS` with SIGKILL.

    SIGTERM goes to submitit's controller, which sends it on to the trial. It is repeated because submitit discards it
    while the trial imports torch.
    """
    with _ignored(signal.SIGINT), _ignored(signal.SIGTERM):  # a second one must not leave trials running
        deadline = time.monotonic() + STOP_SECONDS
        while alive := [started for started in running if not started.job.done()]:
            late = time.monotonic() > deadline
            for started in alive:
                process = holder(started.run.lock(started.trial.name))
                with suppress(ProcessLookupError):
                    if late and process:
                        os.kill(process.pid, signal.SIGKILL)
                    else:
                        os.kill(int(started.job.job_id), signal.SIGTERM)
            time.sleep(POLL_SECONDS)
        for started in running:
            started.write_missing_shard("cancelled", "stopped with the run")


def stop_trials(run: RunDir, trials: Sequence[str]) -> list[str]:
    """Send SIGTERM to the processes that run `trials`; returns the trials that had such a process.

    The processes are found by the trials' locks, so it does not matter which command launched them.
    Raises `RunError` for a process on another machine, in a container, or of another user.
    """
    running = {trial: process for trial in trials if (process := holder(run.lock(trial)))}
    for trial, process in running.items():
        _terminate(trial, process)
    return list(running)


def stop_launcher(run: RunDir) -> bool:
    """Stop the process that launches the run's trials, as Ctrl-C does; returns whether there was one, after its end.

    It stops the trials that run, and starts none that wait. Raises `RunError` as `stop_trials` does.
    """
    process = holder(run.launcher)
    if process is None:
        return False
    _terminate("the launcher", process)
    deadline = time.monotonic() + 2 * STOP_SECONDS
    while is_held(run.launcher) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return True


def _terminate(what: str, process: Holder) -> None:
    if not process.here:
        raise RunError(f"{what} runs elsewhere, or in a container ({process.where}); stop it there")
    try:
        os.kill(process.pid, signal.SIGTERM)
    except PermissionError as error:
        raise RunError(f"{what} runs as process {process.pid} of another user; only they can stop it") from error
    except ProcessLookupError:
        return


@contextmanager
def _terminal_ignored() -> Iterator[None]:
    """Processes started inside ignore SIGHUP and SIGINT: a signal that is ignored at their start stays ignored.

    They survive the end of the terminal. Its Ctrl-C has an effect on this process only, which then stops them in order.
    Trials set handlers of their own. submitit's controllers set none, and would print a traceback.
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
    """How many processes the kernel has killed for lack of memory since boot; 0 where /proc/vmstat does not say."""
    try:
        for line in Path("/proc/vmstat").read_text().splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    except OSError:
        pass
    return 0
