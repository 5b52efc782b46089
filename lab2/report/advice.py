"""A recommendation in plain sentences, and as data. Nothing is called the best that is not shown to be."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lab2.compare.comparison import Pair, Verdict
from lab2.measure.metrics import OF_MACHINE
from lab2.report.answer import are, caveats, deciding, found, gained, listed, one_seed, points
from lab2.report.costs import is_partly_counted
from lab2.report.finding import Finding
from lab2.report.limits import KINDS, Check, Fit, Kind, Limit
from lab2.report.recommendation import Candidate, LimitCost, Recommendation
from lab2.report.several import machines

READING = (
    "best: the probability that a row's accuracy is the highest of those that fit, given these results and a flat "
    "prior (multivariate t). It is not how often the row would win if all were repeated."
)


@dataclass(frozen=True, slots=True, eq=False)
class Advice:
    """What the sentences are made of."""

    found: Recommendation
    finding: Finding
    summary: pd.DataFrame
    notes: tuple[str, ...] = ()  # on the runs


def verdict(advice: Advice) -> Iterator[str]:
    """Which row is recommended, or which ones cannot be told apart, and what would tell."""
    found = advice.found
    names = [one.name for one in found.candidates]
    yield from caveats(advice.summary[advice.summary["job"].isin([*names, *found.uncompared])])
    first, staying = found.first, found.staying
    if first is None or found.judged is None:
        alone = found.uncompared
        if not alone:
            yield "No row is known to fit."
        else:
            fit = f"{'fits' if len(alone) == 1 else 'fit'} and {are(alone)} not compared with other rows"
            yield f"{listed(alone)} {fit}: no row is called the best."
        return
    fit = f"fit{' and are compared' * bool(found.uncompared)}"
    if len(names) == 1:
        yield f"{first.name} is the only row that is known to fit{' and is compared' * bool(found.uncompared)}."
    elif len(staying) == 1:
        closest = min((one.pair for one in found.candidates if one.pair), key=lambda pair: pair.difference)
        yield (
            f"{first.name} is the best of the {len(names)} rows that {fit}: it is shown to be better than all others "
            f"(than {closest.second} by {gained(closest)})."
        )
    else:
        yield (
            f"No single winner among the {len(names)} rows that {fit}: {first.name} is the most accurate, and "
            f"{listed([one.name for one in staying[1:]])} {are(staying[1:])} not shown to be worse."
        )
        if equal := [one.name for one in staying if one.pair and one.pair.verdict is Verdict.EQUIVALENT]:
            yield f"Equal to {first.name} within the margin of {points(found.judged.margin)}: {listed(equal)}."
        yield from _cheapest(advice)
        kept = found.judged.among([one.name for one in staying])
        yield from filter(None, [deciding(kept, advice.finding.fixed)])
    yield from filter(None, [one_seed(found.judged)])


def excluded(found: Recommendation) -> Iterator[str]:
    """Each row that does not fit, or is not known to, with why; and each figure whose interval contains the limit."""
    for name, checks in found.checks.items():
        if beyond := [one for one in checks if one.fit is Fit.BEYOND]:
            yield f"{name} does not fit: {'; '.join(f'{_figure(one)}, wanted {_bound(one)}' for one in beyond)}."
        elif unknown := [one for one in checks if one.fit is Fit.UNKNOWN]:
            yield f"{name} is not known to fit: {'; '.join(f'{one.limit.kind.title}: {one.why}' for one in unknown)}."
    for name, why in found.absent.items():
        yield f"{name} has no result: {why}."
    if found.uncompared and found.candidates:
        fit = "fits" if len(found.uncompared) == 1 else "fit"
        yield f"{listed(found.uncompared)} {fit} and cannot be compared with the others."
    for name, checks in found.checks.items():
        for one in checks:
            if one.crosses and one.low is not None and one.high is not None:
                text = one.limit.kind.text
                yield (
                    f"{name}: the 95 % interval of its {one.limit.kind.title}, {text(one.low)} to {text(one.high)}, "
                    f"contains the limit {text(one.limit.bound)}: it is not shown on which side it is."
                )


def costs(advice: Advice) -> Iterator[str]:
    """What each limit costs, if it alone is dropped, and what they cost together."""
    found = advice.found
    for one in found.costs:
        without = f"Without the limit on {one.limit.kind.title}" if one.limit else "Without any of these limits"
        if one.first is None:
            yield f"{without} no row is known to fit, either."
        elif found.first is None:
            yield f"{without} {one.first} would be first."
        elif (
            one.limit and one.limit.kind.at_least
        ):  # the first row stays first: what the limit costs is what less accurate rows save
            yield f"{without} {_saved(advice, one.limit)}."
        elif one.gain is None:
            yield f"{without} {one.first} is still the most accurate: it costs no accuracy here."
        else:
            shown = "" if one.gain.verdict is Verdict.BETTER else "; it is not shown to be better"
            yield f"{without} {one.first} would be first, by {gained(one.gain)}{shown}."


def remarks(advice: Advice) -> Iterator[str]:
    """What has to be known of the runs and of their machines."""
    yield from advice.notes
    yield from advice.finding.notes
    if looked := advice.finding.looked:
        yield found(looked, advice.finding.judged.margin if advice.finding.judged else 0.0)
    rows = [*advice.found.checks]
    where = machines(advice.summary, rows)
    of_machine = [one.kind.title for one in advice.found.limits if one.kind.column in OF_MACHINE]
    if of_machine and len(where) > 1:
        each = "; ".join(f"{listed(names)} on {machine}" for machine, names in where.items())
        yield f"{listed(of_machine)}: measured on different machines, which one limit does not compare: {each}"


def as_json(advice: Advice, runs: Sequence[str]) -> bytes:
    """All of it as a JSON object; shares are in [0, 1], figures in the units of `table.json`."""
    found = advice.found
    whole: dict[str, Any] = {
        "runs": list(runs),
        "limits": [{"option": one.kind.option, "column": one.kind.column, "bound": one.bound} for one in found.limits],
        "first": found.first.name if found.first else None,
        "not_shown_to_be_worse": [one.name for one in found.staying],
        "rows_that_fit": [_candidate(one) for one in found.candidates],
        "fit_and_not_compared": list(found.uncompared),
        "checks": {name: [_check(one) for one in checks] for name, checks in found.checks.items()},
        "no_result": dict(found.absent),
        "costs": [_cost(one) for one in found.costs],
        "reading_of_probability": READING,
        "sentences": [*verdict(advice), *excluded(found), *costs(advice)],
        "notes": list(remarks(advice)),
    }
    return json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def _cheapest(advice: Advice) -> Iterator[str]:
    """Which of the rows that cannot be told apart is the least in each cost: facts, no claim on accuracy."""
    least: dict[str, list[str]] = {}
    for kind, values in _costs_of(advice, [one.name for one in advice.found.staying]):
        if (values == values.min()).sum() == 1:
            least.setdefault(str(values.idxmin()), []).append(f"{kind.title} ({kind.text(float(values.min()))})")
    if least:
        yield f"Of these, {'; '.join(f'{name} has the least {listed(what)}' for name, what in least.items())}."


def _saved(advice: Advice, limit: Limit) -> str:
    """By which costs a row that only `limit` keeps out is less than all rows that fit."""
    found = advice.found
    fit = [*(one.name for one in found.candidates), *found.uncompared]
    kept_out = [
        name for name, checks in found.checks.items()
        if name not in fit and all(one.fit is Fit.FITS for one in checks if one.limit is not limit)
    ]  # fmt: skip
    saved: dict[str, list[str]] = {}
    for kind, values in _costs_of(advice, [*fit, *kept_out]):
        least, now = float(values.min()), float(values[fit].min())
        if least < now:
            saved.setdefault(str(values.idxmin()), []).append(
                f"{kind.title} ({kind.text(least)}, not {kind.text(now)})"
            )
    if not saved:
        return "nothing that costs less would fit"
    return "; ".join(f"{name} would fit, and costs less: {listed(what)}" for name, what in saved.items())


def _costs_of(advice: Advice, names: Sequence[str]) -> Iterator[tuple[Kind, pd.Series]]:
    """Each cost that compares the rows `names`, and its values by row: all have it, in full, and on one machine."""
    rows = advice.summary[advice.summary["job"].isin(names)].set_index("job")
    one_machine = len(machines(advice.summary, names)) == 1
    partly = any(is_partly_counted(row) for _, row in rows.iterrows())
    for kind in KINDS:
        a_bound = kind.column == "flops_per_image" and partly
        elsewhere = kind.column in OF_MACHINE and not one_machine
        if not (kind.at_least or a_bound or elsewhere or rows[kind.column].isna().any()):
            yield kind, rows[kind.column]


def _figure(one: Check) -> str:
    return f"{one.limit.kind.title} {one.limit.kind.text(one.value)}" if one.value is not None else one.limit.kind.title


def _bound(one: Check) -> str:
    return f"at {'least' if one.limit.kind.at_least else 'most'} {one.limit.kind.text(one.limit.bound)}"


def _candidate(one: Candidate) -> dict[str, object]:
    return {
        "row": one.name,
        "accuracy": one.accuracy,
        "probability_best": one.probability,
        "shown_to_be_worse_than_first": not one.stays,
        "behind_first": None if one.pair is None else _pair(one.pair),
    }


def _pair(pair: Pair) -> dict[str, object]:
    return {
        "first": pair.first,
        "second": pair.second,
        "difference": pair.difference,
        "low": pair.low,
        "high": pair.high,
        "verdict": pair.verdict.value,
        "equivalent": pair.equivalent,
    }


def _check(one: Check) -> dict[str, object]:
    return {
        "column": one.limit.kind.column,
        "fit": one.fit.value,
        "value": one.value,
        "low": one.low,
        "high": one.high,
        "interval_holds_the_limit": one.crosses,
        "why": one.why,
    }


def _cost(one: LimitCost) -> dict[str, object]:
    return {
        "without": one.limit.kind.option if one.limit else "all",
        "first": one.first,
        "gain": None if one.gain is None else _pair(one.gain),
    }
