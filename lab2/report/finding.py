"""What is shown of the rows of a run, or of several, by predictions: `lab2/compare/` judges them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from lab2.compare import comparison as compared
from lab2.compare.comparison import Row, compare
from lab2.compare.looks import Look
from lab2.errors import ComparisonError, ConfigError
from lab2.more.planned_looks import PlannedLooks, read_looks
from lab2.more.standing import Looked, at_last_look, complete_looks, looked_at
from lab2.results.correctness import Collected, Correctness, read_correctness
from lab2.spec.plan import some_of


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Finding:
    """The rows of a run, compared; and what was left out of that, a sentence each."""

    judged: compared.Comparison | None = None  # None: fewer than two rows can be compared
    fixed: frozenset[str] = frozenset()  # rows that no seed changes
    notes: tuple[str, ...] = ()
    read: Correctness = field(default_factory=Correctness)  # what it is found from
    looks: Mapping[tuple[str, str], Look] = field(default_factory=dict)  # at pairs that are judged by planned looks
    looked: Looked | None = None  # of a run with planned looks: the pair at the last complete one

    @property
    def rows(self) -> Mapping[str, Row]:
        """The compared rows, by job."""
        return {row.name: row for row in self.judged.rows} if self.judged else {}


def find(*runs: Collected) -> Finding:
    """Compare the jobs of `runs` by all their finished trials. The margin is the smallest that one of them states.

    In a run alone, a pair with planned looks is compared by the trials of its last look.
    """
    if len(runs) > 1:
        return _find(runs, None, 0)
    (one,) = runs
    path = one.run.looks
    try:
        planned = read_looks(path) if os.path.lexists(path) else None
    except ConfigError as error:
        finding = _find(runs, None, 0)
        note = f"seeds were added in planned looks, which cannot be read, so the pair is not judged by them: {error}"
        return replace(finding, notes=(note, *finding.notes))
    if planned is None:
        return _find(runs, None, 0)
    complete = complete_looks(planned, one.comparison)
    seen, waiting = at_last_look(planned, one.comparison, complete)
    finding = _find([replace(one, comparison=seen)], planned, complete)
    looked = looked_at(planned, complete, finding.judged)
    notes = finding.notes
    if waiting:
        notes += (f"not compared, because they wait for the others of their look: {some_of(waiting)}",)
    return replace(finding, looked=looked, notes=notes)


def _find(runs: Sequence[Collected], planned: PlannedLooks | None, complete: int) -> Finding:
    read = read_correctness(*runs)
    if len(read.right) < 2:
        alone = sum(len(one.jobs) for one in runs) < 2
        return Finding(notes=() if alone else read.notes, read=read)
    trials = [(one.prefix, trial) for one in runs for trial in one.comparison.plan.trials]
    fixed = frozenset(prefix + t.job.name for prefix, t in trials if t.job.model.fitted) & read.right.keys()
    stated = [one.comparison.plan.margin_points for one in runs]
    margin = min((points / 100 for points in stated if points is not None), default=None)
    looks: dict[tuple[str, str], Look] = {}
    if planned and complete and read.right.keys() >= set(planned.decide):
        looks[planned.decide] = planned.look(complete)
    try:
        judged = compare(read.right, groups=read.groups, margin=margin, fixed=fixed, looks=looks)
    except ComparisonError as error:  # a single test image, or group
        return Finding(notes=(*read.notes, f"not compared: {error}"), read=read)
    notes = read.notes
    if judged.cases < judged.images:
        notes += (f"the {judged.images:,} test images come in {judged.cases:,} groups; a group counts as one case",)
    return Finding(judged=judged, fixed=fixed, notes=notes, read=read, looks=looks)
