"""What is shown of a run's rows, by the predictions of its trials: `lab2/compare/` judges, this brings it the rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lab2.compare import comparison as compared
from lab2.compare.comparison import Row, compare
from lab2.errors import ComparisonError
from lab2.results.collect import Comparison
from lab2.results.correctness import Correctness, read_correctness
from lab2.results.run_dir import RunDir


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Finding:
    """The rows of a run, compared; and what was left out of that, a sentence each."""

    judged: compared.Comparison | None = None  # None: fewer than two rows can be compared
    fixed: frozenset[str] = frozenset()  # rows that no seed changes
    notes: tuple[str, ...] = ()
    read: Correctness = field(default_factory=Correctness)  # what it was judged by

    @property
    def rows(self) -> Mapping[str, Row]:
        """The compared rows, by job."""
        return {row.name: row for row in self.judged.rows} if self.judged else {}


def find(run: RunDir, comparison: Comparison) -> Finding:
    """Compare the jobs of `run` by all their finished trials."""
    plan, read = comparison.plan, read_correctness(run, comparison)
    if len(read.right) < 2:
        return Finding(notes=read.notes, read=read)
    fixed = frozenset(t.job.name for t in plan.trials if t.job.model.fitted) & read.right.keys()
    margin = None if plan.margin_points is None else plan.margin_points / 100
    try:
        judged = compare(read.right, groups=read.groups, margin=margin, fixed=fixed)
    except ComparisonError as error:  # a single test image, or group
        return Finding(notes=(*read.notes, f"not compared: {error}"), read=read)
    notes = read.notes
    if judged.cases < judged.images:
        notes += (f"the {judged.images:,} test images come in {judged.cases:,} groups; a group counts as one case",)
    return Finding(judged=judged, fixed=fixed, notes=notes, read=read)
