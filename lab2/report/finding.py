"""What is shown of a run's rows, by the predictions of its trials: `lab2/compare/` judges, this brings it the rows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

from lab2.compare import comparison as compared
from lab2.compare.comparison import Row, compare
from lab2.compare.looks import Look
from lab2.errors import ComparisonError, ConfigError
from lab2.more.plan import PlannedLooks, read_looks
from lab2.more.standing import Looked, at_last_look, complete_looks, looked_at
from lab2.results.collect import Comparison
from lab2.results.correctness import read_correctness
from lab2.results.run_dir import RunDir
from lab2.spec.plan import some_of


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Finding:
    """The rows of a run, compared; and what was left out of that, a sentence each."""

    judged: compared.Comparison | None = None  # None: fewer than two rows can be compared
    fixed: frozenset[str] = frozenset()  # rows that no seed changes
    notes: tuple[str, ...] = ()
    looked: Looked | None = None  # of a run with planned looks: the pair at the last complete one

    @property
    def rows(self) -> Mapping[str, Row]:
        """The compared rows, by job."""
        return {row.name: row for row in self.judged.rows} if self.judged else {}


def find(run: RunDir, comparison: Comparison) -> Finding:
    """Compare the jobs of `run` by all their finished trials; a pair with planned looks by those of its last look."""
    try:
        planned = read_looks(run.looks) if os.path.lexists(run.looks) else None
    except ConfigError as error:
        finding = _find(run, comparison, None, 0)
        note = f"seeds were added in planned looks, which cannot be read, so the pair is not judged by them: {error}"
        return replace(finding, notes=(note, *finding.notes))
    if planned is None:
        return _find(run, comparison, None, 0)
    complete = complete_looks(planned, comparison)
    seen, waiting = at_last_look(planned, comparison, complete)
    finding = _find(run, seen, planned, complete)
    looked = looked_at(planned, complete, finding.judged)
    notes = finding.notes
    if waiting:
        notes += (f"not compared, because they wait for the others of their look: {some_of(waiting)}",)
    return replace(finding, looked=looked, notes=notes)


def _find(run: RunDir, comparison: Comparison, planned: PlannedLooks | None, complete: int) -> Finding:
    plan, read = comparison.plan, read_correctness(run, comparison)
    if len(read.right) < 2:
        return Finding(notes=read.notes)
    fixed = frozenset(t.job.name for t in plan.trials if t.job.model.fitted) & read.right.keys()
    margin = None if plan.margin_points is None else plan.margin_points / 100
    looks: dict[tuple[str, str], Look] = {}
    if planned and complete and read.right.keys() >= set(planned.decide):
        looks[planned.decide] = planned.look(complete)
    try:
        judged = compare(read.right, groups=read.groups, margin=margin, fixed=fixed, looks=looks)
    except ComparisonError as error:  # a single test image, or group
        return Finding(notes=(*read.notes, f"not compared: {error}"))
    notes = read.notes
    if judged.cases < judged.images:
        notes += (f"the {judged.images:,} test images come in {judged.cases:,} groups; a group counts as one case",)
    return Finding(judged=judged, fixed=fixed, notes=notes)
