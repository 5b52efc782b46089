"""Groups that cannot be told apart, as letters: two rows share a letter if and only if they are not shown to differ.

Source: Piepho 2004, Journal of Computational and Graphical Statistics 13:456 (insert and absorb).
"""

from __future__ import annotations

import string
from collections.abc import Iterable

ALPHABET = string.ascii_lowercase + string.ascii_uppercase


def letters(count: int, different: Iterable[tuple[int, int]]) -> list[tuple[str, ...]]:
    """The letters of each of `count` rows, of which the pairs `different` are shown to differ.

    Rows are in the order in which they are read, the best first: `a` is the group of the first row. After 52 letters
    come `a1`, `b1`, ...
    """
    columns = [frozenset(range(count))]
    for one, other in different:
        columns = _absorbed(_inserted(columns, one, other))
    found: list[list[str]] = [[] for _ in range(count)]
    for place, column in enumerate(sorted(columns, key=sorted)):
        turn, letter = divmod(place, len(ALPHABET))
        for row in column:
            found[row].append(ALPHABET[letter] + (str(turn) if turn else ""))
    return [tuple(one) for one in found]


def _inserted(columns: list[frozenset[int]], one: int, other: int) -> list[frozenset[int]]:
    """Each column that holds both becomes two: one without the first, one without the second."""
    found = []
    for column in columns:
        found += [column - {one}, column - {other}] if {one, other} <= column else [column]
    return found


def _absorbed(columns: list[frozenset[int]]) -> list[frozenset[int]]:
    """Without the columns that lie within another."""
    unique = list(dict.fromkeys(columns))
    return [column for column in unique if not any(column < other for other in unique)]
