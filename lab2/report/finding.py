"""What is shown of the rows of a run, or of several, by predictions: `lab2/compare/` judges them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from lab2.compare import comparison as compared
from lab2.compare.comparison import Row, compare
from lab2.compare.looks import Look
from lab2.errors import ComparisonError, ConfigError
from lab2.more.standing import LastLook, Looked, last_look, looked_at
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
    looked: Looked | None = None  # of one run with planned looks: the pair at the last complete one

    @property
    def rows(self) -> Mapping[str, Row]:
        """The compared rows, by job."""
        return {row.name: row for row in self.judged.rows} if self.judged else {}


def find(*runs: Collected, planned: Mapping[tuple[str, str], Look] | None = None) -> Finding:
    """Compare the jobs of `runs` by all their finished trials. The margin is the smallest that one of them states.

    A pair with planned looks is compared by the trials of its last look. `planned`: looks at pairs of merged runs,
    whose trials are already those of that look.
    """
    seen: list[Collected] = []
    looks = dict(planned or {})
    looked: list[LastLook] = []
    notes = [f"seeds of {first} and {second} were added in planned looks" for first, second in looks]
    for one in runs:
        try:
            last = last_look(one.run, one.comparison)
        except ConfigError as error:
            notes.append(
                f"seeds were added in planned looks, which cannot be read, so the pair is not judged by them: {error}"
            )
            last = None
        seen.append(replace(one, comparison=last.comparison) if last else one)
        if last is None:
            continue
        looked.append(last)
        first, second = last.planned.decide
        if last.complete:
            looks[one.prefix + first, one.prefix + second] = last.planned.look(last.complete)
        if last.waiting:
            notes.append(f"not compared, because they wait for the others of their look: {some_of(last.waiting)}")
        if len(runs) > 1:
            notes.append(f"seeds of {one.prefix}{first} and {one.prefix}{second} were added in planned looks")
    finding = _find(seen, looks)
    alone = looked_at(looked[0].planned, looked[0].complete, finding.judged) if len(runs) == 1 and looked else None
    return replace(finding, looked=alone, notes=(*finding.notes, *notes))


def _find(runs: Sequence[Collected], planned: Mapping[tuple[str, str], Look]) -> Finding:
    read = read_correctness(*runs)
    if len(read.right) < 2:
        alone = sum(len(one.jobs) for one in runs) < 2
        return Finding(notes=() if alone else read.notes, read=read)
    trials = [(one.prefix, trial) for one in runs for trial in one.comparison.plan.trials]
    fixed = frozenset(prefix + t.job.name for prefix, t in trials if t.job.model.fitted) & read.right.keys()
    stated = [one.comparison.plan.margin_points for one in runs]
    margin = min((points / 100 for points in stated if points is not None), default=None)
    pairs = len(read.right) * (len(read.right) - 1) // 2  # of several runs more than were planned for
    looks = {
        pair: replace(look, pairs=max(look.pairs, pairs))
        for pair, look in planned.items()
        if read.right.keys() >= set(pair)
    }
    try:
        judged = compare(read.right, groups=read.groups, margin=margin, fixed=fixed, looks=looks)
    except ComparisonError as error:  # a single test image, or group
        return Finding(notes=(*read.notes, f"not compared: {error}"), read=read)
    notes = read.notes
    if judged.cases < judged.images:
        notes += (f"the {judged.images:,} test images come in {judged.cases:,} groups; a group counts as one case",)
    return Finding(judged=judged, fixed=fixed, notes=notes, read=read, looks=looks)
