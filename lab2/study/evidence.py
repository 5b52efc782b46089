"""What a claim is judged by: the rows of its run, and which test images each trial is right about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from lab2.compare.alone import alone
from lab2.errors import ComparisonError
from lab2.measure.metrics import OF_MACHINE
from lab2.results.collect import Comparison
from lab2.results.correctness import Collected, Correctness, read_correctness
from lab2.results.run_dir import RunDir
from lab2.results.shard import PLACE, Shard
from lab2.spec.job import Trial
from lab2.spec.plan import some_of


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """The collected run of a study, or some of its trials."""

    run: RunDir
    comparison: Comparison

    @property
    def trials(self) -> tuple[Trial, ...]:
        """In the order of the plan."""
        return self.comparison.plan.trials

    @property
    def rows(self) -> tuple[Shard, ...]:
        """A row a trial, in the same order."""
        return self.comparison.rows

    @property
    def unfinished(self) -> list[str]:
        """The trials without a result."""
        return [row.trial for row in self.rows if row.status != "ok"]

    @property
    def jobs(self) -> list[str]:
        """The names of the jobs, in the order of the plan."""
        return list(dict.fromkeys(trial.job.name for trial in self.trials))

    def where(self, keep: Callable[[Trial], bool]) -> Evidence:
        """The trials that `keep` wants."""
        return replace(self, comparison=self.comparison.only([keep(trial) for trial in self.trials]))

    def of(self, job: str) -> list[Shard]:
        """The rows of one job, in the order of its seeds."""
        return sorted((row for row in self.rows if row.job == job), key=lambda row: row.seed)

    @property
    def places(self) -> list[str]:
        """Where the trials were measured, each once: machine, device, threads, and how many trials ran at once."""
        return sorted(set(map(_place, self.rows)))

    def apart(self, cost: str) -> str:
        """Why the trials' figures of `cost` do not compare: it is the machine's, and there were several; else empty."""
        one_place = len(self.places) == 1 and not any(row.all_machines for row in self.rows)
        if cost not in OF_MACHINE or one_place:
            return ""
        return f"measured in several places, which do not compare ({'; '.join(self.places)})"

    def right(self) -> Correctness:
        """By job, which of the same test images each seed is right about.

        Raises `ComparisonError` where predictions of a trial are missing, broken, or of other images.
        """
        read = read_correctness(Collected(run=self.run, comparison=self.comparison))
        absent = [job for job in self.jobs if len(read.right.get(job, ())) < len(self.of(job))]
        if absent:
            why = "; ".join(read.notes) or "their predictions are missing"
            raise ComparisonError(f"{some_of(absent)} cannot be compared: {why}; start the study anew")
        return read

    def mean(self, job: str, name: str) -> float | None:
        """The mean of one number of a shard over the seeds of a job; None where it was not measured."""
        values = [getattr(row, name) for row in self.of(job)]
        known = [float(value) for value in values if value is not None]
        return sum(known) / len(known) if known and len(known) == len(values) else None


def accuracies(read: Correctness) -> dict[str, str]:
    """By job its mean accuracy and its 95 % interval, of the recipe on new images; of one seed there is none."""
    found = {}
    for job, right in read.right.items():
        ends = alone(right, groups=read.groups)
        found[job] = f"{right.mean():.2%}" + (within(ends, "{:.2%}".format) if ends else "")
    return found


def within(ends: tuple[float, float], text: Callable[[float], str]) -> str:
    """The ends of an interval, as they stand behind a number."""
    low, high = map(text, ends)
    return f" [{low}, {high}]"


def _place(row: Shard) -> str:
    name, device, threads = (getattr(row, one) or "unknown" for one in PLACE)
    return f"{row.all_machines or name}: {device}, {threads} threads, {row.trials_at_once or 1} at once"


def commits(rows: Sequence[Shard]) -> list[str]:
    """The commits of lab2 that made the rows, each once; a code that was changed since says so."""
    return sorted({(row.git_commit or "unknown")[:12] + ", changed" * bool(row.git_dirty) for row in rows})
