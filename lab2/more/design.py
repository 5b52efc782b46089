"""Makes the plan of looks at an open pair: at which seeds to look, from what the seeds at hand say of the variance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lab2.compare.answer import Question, quantile
from lab2.compare.comparison import Comparison, Pair
from lab2.compare.looks import levels
from lab2.compare.price import Critical, Need, Price, power_of, price
from lab2.errors import ConfigError
from lab2.more.planned_looks import Asked, PlannedLook, PlannedLooks
from lab2.spec.checks import require

ALPHA = 0.05
SPENDING = "O'Brien and Fleming's type (Lan and DeMets 1983)"
UNKNOWN = (3, 5, 10)  # looks where one seed at hand cannot tell how much seeds vary
MOST_SEEDS = 30  # of each job, unless --most-seeds says otherwise: hundreds of seeds must be asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class NothingToAdd:
    """Why no seed is planned: images decide, or the seeds at hand are enough for the difference."""

    price: Price


def plan_looks(
    judged: Comparison,
    names: tuple[str, str],
    at_hand: Mapping[str, Sequence[int]],
    fixed: frozenset[str],
    asked: Asked,
    *,
    used: Sequence[int],
    pairs: int,
) -> PlannedLooks | NothingToAdd:
    """The looks at the open pair `names`.

    `at_hand`: the seeds of both, all finished; `fixed`: jobs that no seed changes; `used`: seeds of both that are
    taken, after the largest of which new ones begin; `pairs`: of all jobs that the run has, finished or not. Raises
    `ConfigError` for looks that are not possible.
    """
    pair = judged.pair(*names)
    difference = judged.margin if asked.difference_points is None else asked.difference_points / 100
    cost = judged.price(*names, difference)
    fewest = min((len(at_hand[name]) for name in names if name not in fixed), default=0)
    enough = cost.need is Need.SEEDS and cost.seeds is not None and cost.seeds <= fewest
    if cost.need is Need.IMAGES or (enough and not asked.looks):
        return NothingToAdd(price=cost)
    counts = _counts(pair, cost, fewest, pairs, asked)
    each = levels(counts, ALPHA / pairs)
    first_new = max(used) + 1
    require(
        first_new + counts[-1] < 2**31,
        f"--decide {','.join(names)}: no seed numbers are left after {first_new - 1}; start a new run",
    )

    def seeds_at(count: int) -> dict[str, tuple[int, ...]]:
        more = {name: 0 if name in fixed else max(0, count - len(at_hand[name])) for name in names}
        return {name: (*at_hand[name], *range(first_new, first_new + more[name])) for name in names}

    return PlannedLooks(
        decide=names,
        question=Question.RECIPES,
        spending=SPENDING,
        alpha=ALPHA,
        pairs=pairs,
        at_hand={name: tuple(at_hand[name]) for name in names},
        looks=tuple(
            PlannedLook(count=count, seeds=seeds_at(count), level=level)
            for count, level in zip(counts, each, strict=True)
        ),
        difference=difference,
        power=power_of(pair.split, difference, counts[-1], _critical(each[-1])),
        asked=asked,
    )


def _counts(pair: Pair, cost: Price, fewest: int, pairs: int, asked: Asked) -> tuple[int, ...]:
    """The seeds at each look: those at hand first, where there are two or more."""
    most = MOST_SEEDS if asked.most_seeds is None else asked.most_seeds
    first = [fewest] if fewest > 1 else []
    if asked.looks:
        rest = [count for count in asked.looks if count != fewest]
        if not rest or rest != sorted({*rest}) or rest[0] <= fewest:
            raise ConfigError(
                f"--looks {','.join(map(str, asked.looks))}: wanted increasing numbers of seeds of each, more than "
                f"the {fewest} at hand"
            )
        if asked.most_seeds and rest[-1] > asked.most_seeds:
            raise ConfigError(
                f"--looks {rest[-1]}, --most-seeds {asked.most_seeds}: wanted no look after the most seeds"
            )
        return (*first, *rest)
    if most <= max(1, fewest):
        raise ConfigError(
            f"--most-seeds {most}: wanted the most seeds that each may have in all, more than the {fewest} at hand"
        )
    if cost.seeds is None:
        return (*first, *(count for count in UNKNOWN if count < most), *([most] if most <= UNKNOWN[-1] else []))
    last = cost.seeds
    for _ in range(2):  # the last look's level depends on where the looks are
        counts = (*first, *_between(fewest, min(last, most)))
        critical = _critical(levels(counts, ALPHA / pairs)[-1])
        last = price(pair.split, cost.difference, critical=critical).seeds or most
    return (*first, *_between(fewest, min(max(last, fewest + 1), most)))


def _between(fewest: int, last: int) -> list[int]:
    """Up to three looks after `fewest`, evenly spaced, two seeds apart or more; the last one at `last`."""
    added = last - fewest
    looks = max(1, min(3, added // 2))
    return [fewest + round(added * k / looks) for k in range(1, looks + 1)]


def _critical(level: float) -> Critical:
    return lambda df: -quantile(level / 2, df)
