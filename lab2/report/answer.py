"""The answer in plain sentences: what is better, what cannot be told apart, what would decide it.

"Better" is said only where it is shown with all pairs in mind, and "equal" only where a difference of the margin is
excluded. Of the rest it is said that it is open, and what would decide it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from lab2.compare.comparison import Comparison, Pair, Verdict
from lab2.compare.price import Need
from lab2.more.planned_looks import PlannedLooks
from lab2.more.standing import Looked
from lab2.report.finding import Finding

MOST_NAMES, MOST_PAIRS = 6, 3  # in one sentence; `pairs.csv` has all
MOST_SEEDS = 1_000  # that a sentence counts: nobody trains more, and so many come of images that hardly suffice


def caveats(summary: pd.DataFrame) -> list[str]:
    """What has to be known before the answer."""
    found = []
    if summary["smoke"].any():
        found.append(
            "SMOKE RUN: what follows is of trainings on a fraction of the data, and says nothing of the recipes."
        )
    if random := summary.loc[summary["weights_missing"], "job"].tolist():
        found.append(
            f"From random weights, because no pre-trained ones were in the cache: {listed(random)}. What follows says "
            "nothing of them pre-trained; lab2 prepare lists what brings their weights."
        )
    if marked := summary.loc[summary["at_chance"], "job"].tolist():
        found.append(f"† Not shown to be better than always naming the commonest class: {listed(marked)}.")
    return found


def answer(finding: Finding) -> list[str]:
    """Up to three sentences, one where rows have one seed, one of planned looks. Empty where nothing is compared."""
    judged, looked = finding.judged, finding.looked
    looks = [_looks(looked, judged.margin if judged else 0.0)] if looked else []
    if judged is None:
        return looks
    sentences = (_best(judged), _alike(judged), deciding(judged, finding.fixed), one_seed(judged), *looks)
    return [sentence for sentence in sentences if sentence]


def listed(names: Sequence[str], word: str = "and") -> str:
    """`a, b and c`; of more than `MOST_NAMES` the first, and how many more."""
    if len(names) > MOST_NAMES:
        names = [*names[: MOST_NAMES - 1], f"{len(names) - MOST_NAMES + 1} more"]
        word = "and"
    return f" {word} ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def points(share: float) -> str:
    """A share as points of accuracy."""
    text = f"{100 * share:.3g}"
    return f"{text} point{'s' * (text != '1')}"


def gained(pair: Pair) -> str:
    """The difference of a pair with its interval."""
    return f"{100 * pair.difference:.2f} points, 95 % interval {100 * pair.low:.2f} to {100 * pair.high:.2f}"


def cases_of(judged: Comparison) -> str:
    """What counts as one: a test image, or a group of them."""
    return "test images" if judged.cases == judged.images else "groups of test images"


def are(names: Sequence[object]) -> str:
    """The verb for so many."""
    return "is" if len(names) == 1 else "are"


def _best(judged: Comparison) -> str:
    """Who is best, and of which rows that is shown."""
    beaten = {row.name: [p for p in judged.pairs if p.first == row.name and _shown(p)] for row in judged.rows}
    if not any(beaten.values()):
        return "No row is shown to be better than another."
    first = [row.name for row in judged.rows if row.best_rank == 1]
    if len(first) == 1:
        losers = beaten[first[0]]
        closest = min(losers, key=lambda pair: pair.difference)
        than = f"than {closest.second} " if len(losers) > 1 else ""
        small = f", less than the margin of {points(judged.margin)}" if closest.equivalent else ""
        return (
            f"{first[0]} is the best: it is shown to be better than {listed([pair.second for pair in losers])} "
            f"({than}by {gained(closest)}{small})."
        )
    claims: dict[str, list[str]] = {}
    for name in first:
        if beaten[name]:
            claims.setdefault(listed([pair.second for pair in beaten[name]]), []).append(name)
    shown = "; ".join(
        f"{listed(names)} {are(names)} shown to be better than {losers}" for losers, names in claims.items()
    )
    return f"No single winner is shown: {listed(first, 'or')} may be the best. {shown}."


def _shown(pair: Pair) -> bool:
    return pair.verdict is Verdict.BETTER


def _alike(judged: Comparison) -> str:
    """Which rows are equal within the margin, and which cannot be told apart."""
    parts = []
    for verdict, title in (
        (Verdict.EQUIVALENT, f"equal within the margin of {points(judged.margin)}"),
        (Verdict.OPEN, "not shown to differ"),
    ):
        alike = [(pair.first, pair.second) for pair in judged.pairs if pair.verdict is verdict]
        groups = cliques(alike, [row.name for row in judged.rows])
        if groups:
            named = [listed(group) for group in groups[:MOST_PAIRS]]
            more = f"; and {len(groups) - MOST_PAIRS} more groups" if len(groups) > MOST_PAIRS else ""
            parts.append(f"{title}: {'; '.join(named)}{more}")
    text = ". ".join(part[0].upper() + part[1:] for part in parts)
    return f"{text}." if text else ""


def cliques(pairs: Iterable[tuple[str, str]], names: Sequence[str]) -> list[list[str]]:
    """Groups of `names` of which each two are one of `pairs`; every pair is in one of them, with as many as may be."""
    each = [frozenset(pair) for pair in pairs]
    known, covered = set(each), set[frozenset[str]]()
    found = []
    for pair in each:
        if pair in covered:
            continue
        group = set(pair)
        for name in names:
            if name not in group and all(frozenset((name, other)) in known for other in group):
                group.add(name)
        covered |= {frozenset((one, other)) for one in group for other in group if one != other}
        found.append([name for name in names if name in group])
    return found


def deciding(judged: Comparison, fixed: frozenset[str]) -> str:
    """What would decide each open pair, if its true difference were the margin."""
    prices = [(pair, pair.price) for pair in judged.pairs if pair.price is not None]
    if not prices:
        return ""
    by_seeds, by_images, at_hand, unknown = [], [], [], []
    cases = cases_of(judged)
    for pair, price in prices:
        names = listed([pair.first, pair.second])
        if price.need is Need.SECOND_SEED:
            unknown.append(pair)
        elif price.seeds is not None and price.seeds > _seeds_at_hand(pair, judged, fixed):
            each = "" if {pair.first, pair.second} & fixed else " each"
            number = f"{price.seeds:,}" if price.seeds <= MOST_SEEDS else f"over {MOST_SEEDS:,}"
            by_seeds.append(f"{names} need {number} seeds{each}")
        elif price.need is Need.IMAGES and price.images is not None and price.images > judged.cases:
            by_images.append(f"{names} need {price.images:,} {cases} or more")
        else:
            at_hand.append(names)
    parts = [_some(by_seeds)] if by_seeds else []
    if by_images:
        parts.append(f"{_some(by_images)} (there are {judged.cases:,}), however many the seeds")
    if at_hand:
        parts.append(f"{_some(at_hand)} have enough seeds and images; whether they differ by less is undecided")
    if unknown:
        single = [row.name for row in judged.rows if any(row.name in pair.uncovered for pair in unknown)]
        count = "one pair" if len(unknown) == 1 else f"{len(unknown)} pairs"
        parts.append(
            f"what {count} {'needs' if len(unknown) == 1 else 'need'} is unknown until {listed(single)} "
            f"{_have(single)} a second seed"
        )
    power = f"{100 * prices[0][1].power:.0f} %"
    return f"To find a true difference of {points(judged.margin)} with a power of {power}: {'; '.join(parts)}."


def _some(texts: Sequence[str]) -> str:
    more = [f"{len(texts) - MOST_PAIRS} more in pairs.csv"] if len(texts) > MOST_PAIRS else []
    return ", ".join([*texts[:MOST_PAIRS], *more])


def _seeds_at_hand(pair: Pair, judged: Comparison, fixed: frozenset[str]) -> int:
    """The fewer seeds of the two rows, of those that seeds change."""
    seeds = {row.name: row.components.seeds for row in judged.rows}
    return min((seeds[name] for name in (pair.first, pair.second) if name not in fixed), default=0)


def one_seed(judged: Comparison) -> str:
    """What the answer does not cover where rows have one seed."""
    names = [row.name for row in judged.rows if any(row.name in pair.uncovered for pair in judged.pairs)]
    if not names:
        return ""
    return (
        f"{listed(names)} {_have(names)} one seed: the answer holds for {'that' if len(names) == 1 else 'those'} "
        f"trained network{'s' * (len(names) > 1)}. How much another seed would change it is unknown."
    )


def _have(names: Sequence[str]) -> str:
    return "has" if len(names) == 1 else "have"


def _looks(looked: Looked, margin: float) -> str:
    """That seeds were added in planned looks, and what came of it."""
    first, second = looked.planned.decide
    text = f"Seeds of {first} and {second} are added in looks planned beforehand (looks.json), at "
    more = "" if looked.over else " lab2 more goes on with them."
    return f"{text}{looks_text(looked.planned)}. {found(looked, margin)}{more}"


def looks_text(planned: PlannedLooks) -> str:
    """`3, 5 and 10 seeds of each`."""
    counts = [f"{count}" for count in planned.counts]
    listed = f"{', '.join(counts[:-1])} and {counts[-1]}" if len(counts) > 1 else counts[0]
    return f"{listed} seeds of each"


def found(looked: Looked, margin: float) -> str:
    """What was found, at which look, with the interval."""
    planned, pair = looked.planned, looked.pair
    first, second = planned.decide
    if not looked.complete:
        return f"{first} and {second}: not looked at yet; the first look is at {planned.counts[0]} seeds of each."
    where = f"look {looked.complete} of {len(planned.looks)} ({planned.counts[looked.complete - 1]} seeds of each)"
    if pair is None:
        return f"{first} and {second} cannot be compared at {where}: the notes say why."
    interval = (
        f"{100 * pair.difference:.2f} points, {100 * (1 - planned.alpha):.0f} % repeated confidence interval "
        f"{100 * pair.low:.2f} to {100 * pair.high:.2f}"
    )
    if pair.verdict is Verdict.BETTER:
        small = f"; it is less than the margin of {points(margin)}" if pair.equivalent else ""
        return f"Decided at {where}: {pair.first} is better than {pair.second} by {interval}{small}."
    apart = f"difference {pair.first} minus {pair.second} {interval}"
    if pair.verdict is Verdict.EQUIVALENT:
        return f"Decided at {where}: {first} and {second} are equal within the margin of {points(margin)} ({apart})."
    if looked.over:
        return f"Not decided at the last look, {where}: {first} and {second} are not shown to differ ({apart})."
    return f"Not decided yet at {where}: {first} and {second} are not shown to differ ({apart})."
