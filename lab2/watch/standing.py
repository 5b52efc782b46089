"""Where a run stands: its trials, the seconds that are left, its nodes, and its learning curves so far."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lab2.errors import Lab2Error
from lab2.file_lock import is_held
from lab2.foreign_text import one_line
from lab2.launch.status import TrialStatus, status
from lab2.report.live import listed, rank
from lab2.results.curve_reader import CurveReader
from lab2.results.journal import CurvePoint, read_attempts
from lab2.results.run_dir import RunDir
from lab2.spec.plan import Plan

MOST_ROWS = 200  # trials that are listed
MOST_CURVES = 600  # trials whose curves are read


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is known of a run at one moment."""

    plan: Plan
    trials: tuple[TrialStatus, ...]  # the plan's order
    caveat: str = ""  # why it may be out of date; "": it is not
    curves: Mapping[str, Sequence[Sequence[CurvePoint]]]  # by job, of its trials that train
    hosts: Mapping[str, str]  # where each running trial runs
    launching: bool = False  # whether a process launches trials of the run, and may add some
    took_seconds: float = 0.0  # to find out

    @property
    def ended(self) -> bool:
        """Whether nothing will change unless somebody acts."""
        return not self.launching and all(line.ended for line in self.trials)

    @property
    def counts(self) -> dict[str, int]:
        """By state, in the order in which they matter, those that occur."""
        found = Counter(line.state for line in self.trials)
        return {state: found[state] for state in sorted(found, key=rank)}

    @property
    def nodes(self) -> dict[str, int]:
        """By machine: how many trials run there now."""
        return dict(sorted(Counter(self.hosts.values()).items()))

    @property
    def listed(self) -> list[TrialStatus]:
        """The trials that are shown: all, or those that matter most, in the plan's order."""
        return listed(self.trials, MOST_ROWS)

    @property
    def seconds_left(self) -> float | None:
        """An estimate for all trials, if those that wait take as long as others of their job; None: not known.

        As many are taken to run at once as run now. Slurm's queue cannot be foreseen: None while a trial is queued.
        """
        running = [line for line in self.trials if line.state == "running"]
        if not running or any(line.state == "queued" for line in self.trials):
            return None
        jobs = {trial.name: trial.job.name for trial in self.plan.trials}
        known: dict[str, list[float]] = {}  # seconds that a whole trial takes, by job
        for line in self.trials:
            if line.progress and (line.state == "ok" or _left(line) is not None):
                whole = line.progress.wall_seconds + (_left(line) or 0.0)
                known.setdefault(jobs[line.trial], []).append(whole)
        left = [_left(line) for line in running]
        for line in self.trials:
            if line.state == "waiting":
                others = known.get(jobs[line.trial])
                left.append(sum(others) / len(others) if others else None)
        return None if None in left else sum(filter(None, left)) / len(running)


def _left(line: TrialStatus) -> float | None:
    """The seconds that a running trial still trains, by its own estimate."""
    return line.progress.seconds_left if line.state == "running" and line.progress else None


class Watcher:
    """Looks at a run again and again; what has not changed is not read again."""

    def __init__(self, run: RunDir) -> None:
        self.run = run
        self._curves = CurveReader(run)

    def look(self) -> Standing:
        """Where the run stands now. Raises `Lab2Error` and `OSError` where its plan or its records cannot be read."""
        began, launching = time.monotonic(), is_held(self.run.launcher)  # before its trials: it may end meanwhile
        plan = self.run.read_plan()  # a study and `lab2 more` add trials
        now = status(self.run, plan)
        hosts = {line.trial: self._host(line) for line in now.trials if line.state == "running"}
        curves: dict[str, list[list[CurvePoint]]] = {}
        for trial in plan.trials[:MOST_CURVES]:
            if not trial.job.model.fitted and (points := self._curves.read(trial.name)):
                curves.setdefault(trial.job.name, []).append(points)
        return Standing(
            plan=plan, trials=tuple(now.trials), caveat=now.caveat, curves=curves,
            hosts={trial: host for trial, host in hosts.items() if host}, launching=launching,
            took_seconds=time.monotonic() - began,
        )  # fmt: skip

    def _host(self, line: TrialStatus) -> str:
        if line.node:
            return line.node
        attempts = read_attempts(self.run, line.trial)
        return attempts[-1].host if attempts else ""


def unreadable(error: Lab2Error | OSError) -> str:
    """What is wrong, in one line."""
    if isinstance(error, OSError) and error.filename:
        return one_line(f"{error.filename}: {error.strerror}")
    return one_line(str(error))
