"""The whole comparison: rows with letters and ranks, pairs with verdict and price."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lab2.compare.answer import Answer, of_networks, on_new_images, on_this_test_set, on_this_test_set_paired, tail
from lab2.compare.correctness import Sample, gather, samples
from lab2.compare.equivalence import check_margin, default_margin, p_differ
from lab2.compare.letters import letters
from lab2.compare.looks import Look
from lab2.compare.price import POWER, Critical, Price, price
from lab2.compare.ranks import ranks
from lab2.compare.simultaneous import MaximumT, holm
from lab2.compare.variance import Components, Split, Variances, estimate
from lab2.errors import ComparisonError


class Verdict(StrEnum):
    """What is shown of a pair, all pairs considered. What is not shown is open."""

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"  # within the margin, and not shown to differ
    OPEN = "open"

    @property
    def reverse(self) -> Verdict:
        """The same pair, seen from the other side."""
        return {Verdict.BETTER: Verdict.WORSE, Verdict.WORSE: Verdict.BETTER}.get(self, self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One architecture. Ranks and letters come from all pairs at once."""

    name: str
    mean: float  # accuracy in [0, 1], over seeds
    components: Components
    letters: tuple[str, ...]  # rows that share one are not shown to differ
    best_rank: int
    worst_rank: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two architectures; differences are the first's accuracy minus the second's, in [0, 1]."""

    first: str
    second: str
    answer: Answer  # question 3 (with one seed each: question 1), this pair alone
    networks: Answer  # question 1
    test_set: Answer | None  # question 2; None where seeds are too few for it
    split: Split
    low: float  # simultaneous interval
    high: float
    p_adjusted: float  # by the maximum of a multivariate t; at a planned look the repeated p, by Bonferroni
    p_holm: float
    p_equivalence: float  # two one-sided tests, adjusted by Holm over the pairs; at a planned look as p_adjusted
    equivalent: bool  # shown to differ by less than the margin
    verdict: Verdict  # of the first
    price: Price | None  # of an open pair, for a true difference of the margin

    @property
    def difference(self) -> float:
        """First minus second."""
        return self.answer.difference

    @property
    def uncovered(self) -> tuple[str, ...]:
        """The architectures whose luck of seeds is not in this pair's interval and verdict: they have one seed."""
        return self.answer.uncovered

    def reversed(self) -> Pair:
        """The same pair, seen from the second."""
        return replace(
            self, first=self.second, second=self.first, answer=_reversed(self.answer),
            networks=_reversed(self.networks), test_set=self.test_set and _reversed(self.test_set), low=-self.high,
            high=-self.low, verdict=self.verdict.reverse,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparison:
    """What is shown of K architectures on the same test images."""

    rows: tuple[Row, ...]  # the most accurate first
    pairs: tuple[Pair, ...]  # each once; the first is the more accurate one
    margin: float
    images: int
    cases: int  # fewer than the images where these come in groups
    critical: Critical  # for all pairs at once, as Student's quantile is for one
    covariance: NDArray[np.float64]  # (K, K) of the rows' means, over seeds and cases, in the order of the rows

    def among(self, names: Collection[str]) -> Comparison:
        """The same with the rows `names` alone. Intervals, p, letters and ranks stay those of all rows."""
        places = [place for place, row in enumerate(self.rows) if row.name in names]
        return replace(
            self, rows=tuple(self.rows[place] for place in places),
            pairs=tuple(pair for pair in self.pairs if {pair.first, pair.second} <= set(names)),
            covariance=self.covariance[np.ix_(places, places)],
        )  # fmt: skip

    def pair(self, first: str, second: str) -> Pair:
        """The pair, seen from `first`. Raises `ComparisonError` for names that are not compared."""
        for one in self.pairs:
            if (one.first, one.second) == (first, second):
                return one
            if (one.second, one.first) == (first, second):
                return one.reversed()
        raise ComparisonError(
            f"{first}, {second}: wanted two different ones of {', '.join(row.name for row in self.rows)}"
        )

    def price(self, first: str, second: str, difference: float, power: float = POWER) -> Price:
        """What decides the pair if its true difference is `difference`: one that matters, not the one that was
        observed.

        Raises `ComparisonError`.
        """
        return price(self.pair(first, second).split, difference, critical=self.critical, power=power)


def compare(
    right: Mapping[str, ArrayLike],
    *,
    groups: ArrayLike | None = None,
    margin: float | None = None,
    alpha: float = 0.05,
    power: float = POWER,
    paired_seeds: bool = False,
    fixed: Collection[str] = (),
    looks: Mapping[tuple[str, str], Look] | None = None,
) -> Comparison:
    """Compare architectures by which of the same N test images each of their seeds is right about.

    `right`: for each architecture (S_k, N) booleans. `groups`: (N,), images of one label are one case. `margin`: of
    equivalence, stated before the results were seen; max(0.001, 1/sqrt(N)) unless given. `paired_seeds`: seed s means
    the same for all. `fixed`: architectures that no seed changes; their one seed is no luck. `looks`: pairs whose seeds
    were added in planned looks; interval, p and verdict are then of that look (`looks.py`). Raises `ComparisonError`.
    """
    if not 0 < alpha < 0.5:
        raise ComparisonError(f"alpha {alpha}: wanted a level in (0, 0.5), such as 0.05")
    given = gather(right, groups)
    margin = default_margin(given.images) if margin is None else check_margin(margin)
    looks = looks or {}
    for what, chosen in (("fixed", set(fixed)), ("looks at", {name for pair in looks for name in pair})):
        if foreign := chosen - set(given.names):
            raise ComparisonError(f"{what} {', '.join(sorted(foreign))}: wanted some of {', '.join(given.names)}")
    parts = [replace(one, fixed=name in fixed) for name, one in zip(given.names, samples(given), strict=True)]
    order = sorted(range(len(parts)), key=lambda k: -parts[k].mean)
    names, ordered = [given.names[k] for k in order], [parts[k] for k in order]
    variances = estimate(ordered, paired=paired_seeds)
    places = [(k, m) for k in range(len(names)) for m in range(k + 1, len(names))]
    found = [
        _alone((names[k], names[m]), (ordered[k], ordered[m]), variances.between(k, m), given.groups is not None, alpha,
               paired_seeds)
        for k, m in places
    ]  # fmt: skip
    covariance = variances.covariance()
    maximum = MaximumT(covariance, places)
    pairs = _together(found, maximum, {frozenset(pair): look for pair, look in looks.items()}, margin, alpha, power)
    return Comparison(
        rows=_rows(names, ordered, variances, places, pairs), pairs=tuple(pairs), margin=margin,
        images=given.images, cases=given.cases,
        critical=partial(maximum.critical, alpha), covariance=covariance,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Alone:
    """A pair before the others are considered."""

    names: tuple[str, str]
    split: Split
    answer: Answer
    networks: Answer
    test_set: Answer | None


def _alone(
    names: tuple[str, str], pair: tuple[Sample, Sample], split: Split, grouped: bool, alpha: float, paired: bool
) -> _Alone:
    test_set = on_this_test_set_paired if paired else on_this_test_set
    return _Alone(
        names,
        split,
        on_new_images(names, *pair, split, paired=paired, grouped=grouped, alpha=alpha),
        of_networks(*pair, split, grouped=grouped, alpha=alpha),
        test_set(*pair, alpha=alpha),
    )


def _together(
    found: Sequence[_Alone],
    maximum: MaximumT,
    looks: Mapping[frozenset[str], Look],
    margin: float,
    alpha: float,
    power: float,
) -> list[Pair]:
    """The pairs, adjusted for one another; those with a planned look for all of its looks as well."""
    answers = [one.answer for one in found]
    by_holm = holm([one.p for one in answers])
    alone = [p_differ(one, margin) for one in answers]
    critical = partial(maximum.critical, alpha)
    pairs = []
    for one, p_holm, p_alone, p_all in zip(found, by_holm, alone, holm(alone), strict=True):
        answer, look = one.answer, looks.get(frozenset(one.names))
        if look:
            # Two one-sided tests at alpha: the repeated interval of 1 - 2 alpha lies within the margin.
            adjusted, p_equivalence = look.adjusted(answer.p), look.adjusted(min(1.0, 2 * p_alone)) / 2
            level = look.level(alpha)
        else:
            adjusted, p_equivalence = maximum.adjusted(answer.p, answer.statistic, answer.df), p_all
            level = 2 * tail(maximum.critical(alpha, answer.df), answer.df)
        low, high = answer.interval(level)
        verdict = _verdict(adjusted < alpha, p_equivalence < alpha)
        pairs.append(Pair(
            first=one.names[0], second=one.names[1], answer=answer, networks=one.networks, test_set=one.test_set,
            split=one.split, low=low, high=high, p_adjusted=adjusted, p_holm=p_holm, p_equivalence=p_equivalence,
            equivalent=p_equivalence < alpha, verdict=verdict,
            price=price(one.split, margin, critical=critical, power=power) if verdict is Verdict.OPEN else None,
        ))  # fmt: skip
    return pairs


def _verdict(shown: bool, equivalent: bool) -> Verdict:
    """Of the first of a pair, which is the more accurate one."""
    if shown:
        return Verdict.BETTER
    return Verdict.EQUIVALENT if equivalent else Verdict.OPEN


def _rows(
    names: Sequence[str],
    ordered: Sequence[Sample],
    variances: Variances,
    places: Sequence[tuple[int, int]],
    pairs: Sequence[Pair],
) -> tuple[Row, ...]:
    shown = [place for place, pair in zip(places, pairs, strict=True) if pair.verdict is Verdict.BETTER]
    groups, intervals = letters(len(names), shown), ranks(len(names), shown)
    return tuple(
        Row(name=name, mean=sample.mean, components=variances.components(k), letters=groups[k],
            best_rank=intervals[k][0], worst_rank=intervals[k][1])
        for k, (name, sample) in enumerate(zip(names, ordered, strict=True))
    )  # fmt: skip


def _reversed(answer: Answer) -> Answer:
    return replace(
        answer, difference=-answer.difference, low=-answer.high, high=-answer.low,
        discordant=answer.discordant and answer.discordant[::-1],
    )  # fmt: skip
