"""Is a recipe not worse than it was, by more than a margin? The decision of a gate, from two runs of it.

Two claims are tested, each by its own interval of the difference "after minus before":

- *within the margin*: the lower end of a one-sided 95 % interval is above -margin (non-inferiority; Wellek 2010,
  Testing Statistical Hypotheses of Equivalence and Noninferiority). A gate passes only if this is shown of every job,
  so no adjustment for their number is needed (intersection-union: Berger 1982, Technometrics 24:295);
- *worse*: the upper end of the two-sided interval is below 0. A gate fails if this is shown of any job, so its level is
  divided by the number of jobs (Bonferroni).

What is shown to be worse and within the margin is not worse by more than the margin. What shows neither is not decided.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from numpy.typing import ArrayLike

from lab2.compare.answer import Answer, quantile
from lab2.compare.comparison import compare
from lab2.compare.equivalence import lower_end
from lab2.compare.price import Price, price

BEFORE, AFTER = "before", "after"
# A quarter of a point. Unlike `default_margin` it does not grow where test images are few: a gate that has measured
# little must not pass more.
DEFAULT_MARGIN = 0.0025


class Verdict(StrEnum):
    """Of a job, or of all together."""

    NOT_WORSE = "not worse"  # shown to lose less than the margin
    WORSE = "worse"  # shown to be worse, and not shown to lose less than the margin
    NOT_DECIDED = "not decided"
    NOTHING_IN_COMMON = "nothing in common"  # no test images on which both were tested


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What became of one recipe. Accuracies are in [0, 1], differences are after minus before."""

    before: float  # accuracy, mean over seeds
    after: float
    seeds: tuple[int, int]  # before, after
    images: int
    cases: int  # fewer than the images where these come in groups
    answer: Answer  # question 3 (with one seed each: question 1), this job alone
    test_set: Answer | None  # question 2; None where seeds are too few for it
    low: float  # 95 % interval, which holds for all jobs together
    high: float
    bound: float  # lower end of the one-sided 95 % interval of this job alone
    margin: float
    price: Price | None  # where neither claim is shown: what would show, of no difference, that it is within the margin

    @property
    def difference(self) -> float:
        """After minus before."""
        return self.answer.difference

    @property
    def within(self) -> bool:
        """Whether it is shown to lose less than the margin."""
        return self.bound > -self.margin

    @property
    def shown_worse(self) -> bool:
        """Whether it is shown to be worse, by however little."""
        return self.high < 0

    @property
    def shown_better(self) -> bool:
        """Whether it is shown to be better, by however little."""
        return self.low > 0

    @property
    def verdict(self) -> Verdict:
        """What follows of both claims."""
        if self.within:
            return Verdict.NOT_WORSE
        return Verdict.WORSE if self.shown_worse else Verdict.NOT_DECIDED


def judge(
    before: ArrayLike,
    after: ArrayLike,
    *,
    margin: float,
    jobs: int = 1,
    groups: ArrayLike | None = None,
    fixed: Collection[str] = (),
    alpha: float = 0.05,
) -> Change:
    """Judge one of `jobs` recipes by which of the same N test images its seeds were right about, before and after.

    `before`, `after`: (S, N) booleans; a seed number pairs nothing. `groups`: (N,), images of one label are one case.
    `fixed`: of "before" and "after", what no seed changes. Raises `ComparisonError` where they cannot be compared.
    """
    found = compare({BEFORE: before, AFTER: after}, groups=groups, margin=margin, alpha=alpha / jobs, fixed=fixed)
    pair, rows = found.pair(AFTER, BEFORE), {row.name: row for row in found.rows}
    bound = lower_end(pair.answer, alpha)
    is_open = bound <= -margin and pair.high >= 0
    return Change(
        before=rows[BEFORE].mean, after=rows[AFTER].mean, images=found.images, cases=found.cases,
        seeds=(rows[BEFORE].components.seeds, rows[AFTER].components.seeds),
        answer=pair.answer, test_set=pair.test_set, low=pair.low, high=pair.high, bound=bound, margin=margin,
        price=price(pair.split, margin, critical=lambda df: quantile(1 - alpha, df)) if is_open else None,
    )  # fmt: skip


def overall(verdicts: Sequence[Verdict]) -> Verdict:
    """Of all jobs: worse if one is, not worse if all are; nothing in common only where no job has anything."""
    if Verdict.WORSE in verdicts:
        return Verdict.WORSE
    if all(one is Verdict.NOTHING_IN_COMMON for one in verdicts):
        return Verdict.NOTHING_IN_COMMON
    return Verdict.NOT_WORSE if all(one is Verdict.NOT_WORSE for one in verdicts) else Verdict.NOT_DECIDED
