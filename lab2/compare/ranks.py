"""Intervals of ranks: which places a row may have, with all differences in mind at once.

Sources: Mogstad, Romano, Shaikh and Wilhelm 2024, Review of Economic Studies 91:476 (the method); Chetverikov et al.,
arXiv:2401.15205, section 2 (csranks).
"""

from __future__ import annotations

from collections.abc import Iterable


def ranks(count: int, better: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """For each of `count` rows its best and its worst possible rank; 1 is the best.

    `better`: the pairs (i, j) where i is shown to be better than j by simultaneous intervals. A row cannot be before
    those that beat it, nor after those that it beats. If the intervals hold together with 95 %, so do all these ranks.
    """
    best, worst = [1] * count, [count] * count
    for winner, loser in better:
        best[loser] += 1
        worst[winner] -= 1
    return list(zip(best, worst, strict=True))
