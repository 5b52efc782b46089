"""Successive halving: many settings get a small share of the budget, the best of them more, a few all of it.

Source: Jamieson and Talwalkar 2016 (arXiv:1502.07943); the numbers of a rung as in Li et al. 2018, Hyperband
(arXiv:1603.06560). Synchronous: a rung is decided when all its results are there, from those results alone, so that it
is decided alike whenever and wherever that is done. Its asynchronous form (Li et al. 2018, arXiv:1810.05934) keeps
more machines busy, but whom it promotes depends on who ends first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from lab2.spec.checks import require

Results = Mapping[int, float | None]  # by the number of a setting: its validation score; None: it failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One round: how many settings run, and up to which share of the full budget."""

    settings: int
    share: Fraction  # (0, 1]


def rungs(trials: int, eta: int = 3, least_share: Fraction | float = Fraction(1, 27)) -> tuple[Rung, ...]:
    """The rungs of `trials` settings, of which about one in `eta` goes on each time, with `eta` times the budget.

    The last has the whole budget, the first no less than `least_share` of it: what is shorter says little of what a
    recipe becomes. Rung k has floor(trials / eta^k) settings. Raises `ConfigError` for impossible numbers.
    """
    require(trials > 0, f"trials={trials} must be positive")
    require(eta > 1, f"eta={eta}: one in two or fewer must go on; wanted 2 or more")
    require(0 < least_share <= 1, f"least_share={least_share} is not in (0, 1]")
    last = 0
    while eta ** (last + 1) <= trials and Fraction(1, eta ** (last + 1)) >= least_share:
        last += 1
    return tuple(Rung(settings=trials // eta**k, share=Fraction(1, eta ** (last - k))) for k in range(last + 1))


def promoted(scores: Results, count: int) -> tuple[int, ...]:
    """The settings with the `count` best scores, in ascending order; a tie is for the smaller number.

    One that failed is never promoted: where fewer than `count` are left, fewer go on.
    """
    alive = {i: score for i, score in scores.items() if score is not None and math.isfinite(score)}
    return tuple(sorted(sorted(alive, key=lambda i: (-alive[i], i))[:count]))


def members(plan: Sequence[Rung], results: Sequence[Results], rung: int) -> tuple[int, ...] | None:
    """The settings that run in `rung` (0 is the first), in ascending order; None where that is not decided yet.

    `results` has what is known of each rung, in order; those of rungs that nobody has begun may be absent. Results of
    settings that are not of a rung are not looked at.
    """
    running = tuple(range(plan[0].settings))
    for before in range(rung):
        known = results[before] if before < len(results) else {}
        if any(i not in known for i in running):
            return None
        running = promoted({i: known[i] for i in running}, plan[before + 1].settings)
    return running


def best(scores: Results) -> int | None:
    """The setting with the best score; of equals the smallest number, so that a tie is for the job's own recipe.

    None where all failed.
    """
    return next(iter(promoted(scores, 1)), None)
