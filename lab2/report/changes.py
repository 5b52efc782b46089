"""What changed from one run to another: each job of both is judged, costs and provenance are put side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab2.compare.flips import Flips, flips
from lab2.compare.noninferiority import AFTER, BEFORE, DEFAULT_MARGIN, Change, Verdict, judge, overall
from lab2.errors import ComparisonError
from lab2.report.side_by_side import Cost, Difference, costs, differences
from lab2.report.summary import summarise
from lab2.results.two_runs import SharedJob, Side, read_shared
from lab2.spec.plan import some_of

MOST_REASONS = 3  # of trials that failed, in full; the others are named


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JobChange:
    """What became of one job."""

    shared: SharedJob
    verdict: Verdict
    change: Change | None = None  # None: equal bit for bit, or not comparable
    flips: Flips | None = None
    reasons: tuple[str, ...] = ()  # why it is not decided although nothing worse is shown, a sentence each
    notes: tuple[str, ...] = ()  # what was left out, or makes numbers mislead
    costs: tuple[Cost, ...] = ()
    differences: tuple[Difference, ...] = ()

    @property
    def name(self) -> str:
        """Of the job."""
        return self.shared.name


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Changes:
    """Two runs, compared."""

    before: Side
    after: Side
    margin: float  # of accuracy, in [0, 1]
    margin_from: str  # who stated it
    jobs: tuple[JobChange, ...]
    only_before: tuple[str, ...]  # jobs
    only_after: tuple[str, ...]

    @property
    def verdict(self) -> Verdict:
        """Of all jobs that both have.

        Where one of the runs trained something, a baseline alone is nothing in common: it is fitted again to the same
        bits whatever has become of the networks, so that a gate would pass that has measured none of them.
        """
        return overall([job.verdict for job in self.jobs]) if self.measured else Verdict.NOTHING_IN_COMMON

    @property
    def measured(self) -> bool:
        """Whether a job that both have is trained, or neither run trained any."""
        sides = (self.before.comparison.plan, self.after.comparison.plan)
        return any(not job.shared.fixed for job in self.jobs) or all(
            trial.job.model.fitted for plan in sides for trial in plan.trials
        )


def find_changes(before: Side, after: Side, margin_points: float | None = None) -> Changes:
    """Judge what became of the jobs that both runs have. `margin_points`: of accuracy; None: the plans', or a default.

    What cannot be read or compared is a reason not to decide, never an error.
    """
    margin, margin_from = stated_margin(before, after, margin_points)
    shared = read_shared(before, after)
    tested = sum(_is_comparable(one) and not one.reproduced for one in shared)
    rows = [{row["job"]: row for _, row in summarise(side.comparison).iterrows()} for side in (before, after)]
    jobs = []
    for one in shared:
        old, new = (by_job[one.name] for by_job in rows)
        found = _judged(one, margin, max(1, tested), (before.name, after.name))
        remarks = [f"{side.name}: {row['notes']}" for side, row in ((before, old), (after, new)) if row["notes"]]
        jobs.append(JobChange(
            shared=one, verdict=found.verdict, change=found.change, flips=found.flips, reasons=found.reasons,
            notes=(*one.correctness.notes, *found.notes, *_failed_before(one, before.name), *remarks),
            costs=costs(old, new), differences=differences(one),
        ))  # fmt: skip
    names = [dict.fromkeys(trial.job.name for trial in side.comparison.plan.trials) for side in (before, after)]
    return Changes(
        before=before, after=after, margin=margin, margin_from=margin_from, jobs=tuple(jobs),
        only_before=tuple(name for name in names[0] if name not in names[1]),
        only_after=tuple(name for name in names[1] if name not in names[0]),
    )  # fmt: skip


def stated_margin(before: Side, after: Side, points: float | None) -> tuple[float, str]:
    """The margin, in [0, 1], and who stated it: the option, else the plans (the smaller one), else the default."""
    if points is not None:
        return points / 100, "--margin"
    stated = {
        side.comparison.plan.margin_points: side.name
        for side in (after, before)
        if side.comparison.plan.margin_points is not None
    }
    if stated:
        least = min(stated)
        return least / 100, f"the plan of {stated[least]}"
    return DEFAULT_MARGIN, "default"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Judged:
    """What is said of a job by its correctness."""

    verdict: Verdict
    change: Change | None = None
    flips: Flips | None = None
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def _is_comparable(job: SharedJob) -> bool:
    return job.correctness.right.keys() >= {BEFORE, AFTER}


def _judged(job: SharedJob, margin: float, jobs: int, names: tuple[str, str]) -> _Judged:
    """The verdict on one of `jobs` that are tested. What B lost is a reason not to pass it, whatever the rest shows."""
    reasons = [f"{one.trial.name} of {names[1]}: {one.row.status}: {one.row.reason}" for one in job.lost[:MOST_REASONS]]
    if more := job.lost[MOST_REASONS:]:
        reasons.append(f"these did not end well either: {', '.join(one.trial.name for one in more)}")
    if job.reproduced:
        return _Judged(verdict=Verdict.NOT_DECIDED if reasons else Verdict.NOT_WORSE, reasons=tuple(reasons))
    if not _is_comparable(job):
        return _not_comparable(job, reasons, names)
    right, groups = job.correctness.right, job.correctness.groups
    before, after = right[BEFORE], right[AFTER]
    try:
        change = judge(before, after, margin=margin, jobs=jobs, groups=groups, fixed=job.fixed)
    except ComparisonError as error:  # a single test image, or group
        return _Judged(verdict=Verdict.NOT_DECIDED, reasons=(*reasons, str(error)))
    ended = sum(one.ended_well for one in job.after)
    if len(after) < ended:
        reasons.append(f"only {len(after)} of the {ended} trials of {names[1]} that ended well can be compared")
    verdict = Verdict.NOT_DECIDED if reasons and change.verdict is Verdict.NOT_WORSE else change.verdict
    notes: tuple[str, ...] = ()
    if change.cases < change.images:
        notes = (f"the {change.images:,} test images come in {change.cases:,} groups; a group counts as one case",)
    return _Judged(verdict=verdict, change=change, flips=flips(before, after), reasons=tuple(reasons), notes=notes)


def _not_comparable(job: SharedJob, reasons: Sequence[str], names: tuple[str, str]) -> _Judged:
    """The verdict where one of the runs has no answers on the same images, and why."""
    read, found = job.correctness, list(reasons)
    verdict = Verdict.NOT_DECIDED
    for arm, outcomes, name in ((BEFORE, job.before, names[0]), (AFTER, job.after, names[1])):
        if arm in read.right:
            continue
        if arm in read.elsewhere:
            verdict = Verdict.NOTHING_IN_COMMON
            found.append("the two runs tested it on different images")
        elif any(one.ended_well for one in outcomes):
            found.append(f"no predictions of {name} can be compared")
        else:
            found.append(f"no trial of {name} has ended well")
    return _Judged(verdict=verdict, reasons=tuple(found))


def _failed_before(job: SharedJob, name: str) -> list[str]:
    """A note on the trials that did not end well in the first run."""
    failed = [one.trial.name for one in job.before if not one.ended_well]
    return [f"did not end well in {name}: {some_of(failed)}"] if failed else []
