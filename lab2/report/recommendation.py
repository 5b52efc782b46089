"""Which rows fit some limits, how probable it is that each is the best of them, and what each limit costs.

No winner is forced: all rows that are not shown to be worse than the most accurate one stay in the answer. "Shown" has
all pairs of the table in mind, those with rows that do not fit, too.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from lab2.compare.best import probability_best
from lab2.compare.comparison import Comparison, Pair, Verdict
from lab2.report.finding import Finding
from lab2.report.limits import Check, Fit, Limit, check


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A row that fits and is compared."""

    name: str
    accuracy: float  # mean over seeds, on the images on which rows are compared
    probability: float  # that it is the best of the candidates
    pair: Pair | None  # seen from the first; None: it is the first

    @property
    def stays(self) -> bool:
        """Whether it is not shown to be worse than the first."""
        return self.pair is None or self.pair.verdict is not Verdict.BETTER


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitCost:
    """What one limit costs, or all of them together: the row that would be first without it."""

    limit: Limit | None  # None: all of several, where they cost what none of them costs alone
    first: str | None  # None: without it, too, no row fits
    gain: Pair | None  # seen from `first`, against the first with all limits; None: that is the same, or there is none


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recommendation:
    """What is known of the rows under the limits."""

    limits: tuple[Limit, ...]
    checks: Mapping[str, tuple[Check, ...]]  # by row that has a result
    absent: Mapping[str, str]  # by row without one: why
    uncompared: tuple[str, ...]  # rows that fit, and are not compared
    candidates: tuple[Candidate, ...]  # the most accurate first
    judged: Comparison | None  # of the candidates; None: there are none
    costs: tuple[LimitCost, ...]

    @property
    def first(self) -> Candidate | None:
        """The most accurate row that fits."""
        return self.candidates[0] if self.candidates else None

    @property
    def staying(self) -> tuple[Candidate, ...]:
        """The first, and all that are not shown to be worse."""
        return tuple(one for one in self.candidates if one.stays)


def recommend(finding: Finding, summary: pd.DataFrame, limits: Sequence[Limit]) -> Recommendation:
    """Judge the rows of `summary`, of which those in `finding` are compared, under `limits`."""
    rows = {str(row["job"]): row for _, row in summary.iterrows()}
    absent = {name: f"{row['status']}: {row['reason']}" for name, row in rows.items() if not row["seeds"]}
    checks = {
        name: tuple(check(row, limit) for limit in limits) for name, row in rows.items() if name not in absent
    }  # fmt: skip
    fitting = _fitting(checks, limits)
    judged = finding.judged
    compared = [row.name for row in judged.rows] if judged else []  # the most accurate first
    names = [name for name in compared if name in fitting]
    among = judged.among(names) if judged and names else None
    return Recommendation(
        limits=tuple(limits), checks=checks, absent=absent,
        uncompared=tuple(name for name in fitting if name not in compared),
        candidates=_candidates(among), judged=among,
        costs=_costs(judged, checks, limits, names) if judged else (),
    )  # fmt: skip


def _fitting(checks: Mapping[str, tuple[Check, ...]], limits: Collection[Limit]) -> list[str]:
    """The rows that fit all of `limits`."""
    return [
        name for name, found in checks.items() if all(one.fit is Fit.FITS for one in found if one.limit in limits)
    ]  # fmt: skip


def _candidates(among: Comparison | None) -> tuple[Candidate, ...]:
    if among is None:
        return ()
    shares, first = probability_best(among), among.rows[0].name
    return tuple(
        Candidate(name=row.name, accuracy=row.mean, probability=shares[row.name],
                  pair=None if row.name == first else among.pair(first, row.name))
        for row in among.rows
    )  # fmt: skip


def _costs(
    judged: Comparison, checks: Mapping[str, tuple[Check, ...]], limits: Sequence[Limit], names: Sequence[str]
) -> tuple[LimitCost, ...]:
    """`names`: the rows that fit all limits, the most accurate first."""

    def without(*dropped: Limit, of: Limit | None) -> LimitCost:
        fitting = _fitting(checks, [one for one in limits if one not in dropped])
        first = next((row.name for row in judged.rows if row.name in fitting), None)
        gain = judged.pair(first, names[0]) if first and names and first != names[0] else None
        return LimitCost(limit=of, first=first, gain=gain)

    alone = tuple(without(one, of=one) for one in limits)
    together = without(*limits, of=None)
    new = len(limits) > 1 and together.first not in {None, *names[:1], *(one.first for one in alone)}
    return (*alone, together) if new else alone
