"""What is shown of the rows of a run, or of several, by predictions: `lab2/compare/` judges them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lab2.compare import comparison as compared
from lab2.compare.comparison import Row, compare
from lab2.errors import ComparisonError
from lab2.results.correctness import Collected, Correctness, read_correctness


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Finding:
    """The rows of a run, compared; and what was left out of that, a sentence each."""

    judged: compared.Comparison | None = None  # None: fewer than two rows can be compared
    fixed: frozenset[str] = frozenset()  # rows that no seed changes
    notes: tuple[str, ...] = ()
    read: Correctness = field(default_factory=Correctness)  # what it is found from

    @property
    def rows(self) -> Mapping[str, Row]:
        """The compared rows, by job."""
        return {row.name: row for row in self.judged.rows} if self.judged else {}


def find(*runs: Collected) -> Finding:
    """Compare the jobs of `runs` by all their finished trials. The margin is the smallest that one of them states."""
    read = read_correctness(*runs)
    if len(read.right) < 2:
        alone = sum(len(one.jobs) for one in runs) < 2
        return Finding(notes=() if alone else read.notes, read=read)
    trials = [(one.prefix, trial) for one in runs for trial in one.comparison.plan.trials]
    fixed = frozenset(prefix + t.job.name for prefix, t in trials if t.job.model.fitted) & read.right.keys()
    stated = [one.comparison.plan.margin_points for one in runs]
    margin = min((points / 100 for points in stated if points is not None), default=None)
    try:
        judged = compare(read.right, groups=read.groups, margin=margin, fixed=fixed)
    except ComparisonError as error:  # a single test image, or group
        return Finding(notes=(*read.notes, f"not compared: {error}"), read=read)
    notes = read.notes
    if judged.cases < judged.images:
        notes += (f"the {judged.images:,} test images come in {judged.cases:,} groups; a group counts as one case",)
    return Finding(judged=judged, fixed=fixed, notes=notes, read=read)
