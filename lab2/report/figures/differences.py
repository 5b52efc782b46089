"""The differences of pairs with the intervals that hold for all pairs at once: a forest plot.

Source: Lewis and Clarke 2001, BMJ 322:1479 (forest plots).
"""

from __future__ import annotations

from collections.abc import Sequence

from lab2.compare.comparison import Pair, Verdict
from lab2.report.answer import points
from lab2.report.axes import Axis, apart, linear_axis
from lab2.report.figures.drawing import Drawing
from lab2.report.figures.listing import Dot, Line, Listing
from lab2.report.figures.material import Material
from lab2.report.figures.sheet import GOOD, INK, LETTER, QUIET
from lab2.report.labels import shortened
from lab2.report.page.differences import interval, signed
from lab2.report.page.styles import Style

MOST_PAIRS = 28  # of eight rows
MOST_LETTERS = 15  # of a row's name
MOST_NAMED = 10  # of a verdict, in words
# A verdict's mark. The more accurate row stands first, so no pair is worse but where seeds say so.
_LOOKS = {
    Verdict.BETTER: (GOOD, "circle", False),
    Verdict.WORSE: (GOOD, "circle", False),
    Verdict.EQUIVALENT: (INK, "square", False),
    Verdict.OPEN: (QUIET, "circle", True),
}


def difference_figures(found: Material) -> list[Drawing]:
    """One figure of the pairs of chosen rows, or else of trained rows; none where nothing is compared."""
    judged = found.report.finding.judged
    if judged is None:
        return []
    fixed = found.report.finding.fixed
    pairs = [
        pair
        for pair in judged.pairs
        if (found.chosen(pair.first) and found.chosen(pair.second))
        and (found.rows or not {pair.first, pair.second} & fixed)
    ]
    drawn, left = sorted(pairs, key=lambda pair: pair.difference)[:MOST_PAIRS], len(pairs) - MOST_PAIRS
    if not drawn:
        return []
    words = _conclusion(drawn)
    if left > 0:
        words += f" {left} pairs with larger differences are not drawn."
    listing = _listing(drawn[::-1], judged.margin)
    return [
        Drawing(
            name="differences",
            title="Differences of test accuracy between rows, with 95 % intervals for all pairs at once",
            conclusion=f"{words} The shaded band is the margin of {points(judged.margin)}.",
            height=listing.height,
            draw=listing.draw,
        )
    ]


def _listing(pairs: Sequence[Pair], margin: float) -> Listing:
    lines = []
    for pair in pairs:
        colour, shape, hollow = _LOOKS[pair.verdict]
        style = Style(colour=colour, shape=shape)
        lines.append(
            Line(
                name=f"{shortened(pair.first, MOST_LETTERS)} − {shortened(pair.second, MOST_LETTERS)}",
                numbers=f"{signed(pair.difference)} {interval(pair.low, pair.high)}",
                dots=(Dot(value=100 * pair.difference, style=style, size=0.36, hollow=hollow),),
                low=100 * pair.low,
                high=100 * pair.high,
                colour=colour,
            )
        )
    ends = [100 * value for pair in pairs for value in (pair.low, pair.high, -margin, margin)]

    def axis(start: float, end: float, em: float) -> Axis:
        found = apart(linear_axis(min(ends), max(ends), start, end), 0.8 * em, LETTER * em)
        ticks = tuple((place, words.replace("-", "−")) for place, words in found.ticks)
        return Axis(at=found.at, choices=(ticks,), even=True)

    band = (-100 * margin, 100 * margin)
    return Listing(lines=lines, axis=axis, title="difference of test accuracy, points", zero=0.0, band=band)


def _conclusion(pairs: Sequence[Pair]) -> str:
    """Which pairs are decided, and how."""
    words = []
    for verdict, what in (
        (Verdict.BETTER, "Shown to be better"),
        (Verdict.WORSE, "Shown to be worse"),
        (Verdict.EQUIVALENT, "Equal within the margin"),
        (Verdict.OPEN, "Not shown to differ"),
    ):
        between = "than" if verdict in (Verdict.BETTER, Verdict.WORSE) else "and"
        those = [f"{pair.first} {between} {pair.second}" for pair in pairs if pair.verdict is verdict]
        if those:
            more = f"; {len(those) - MOST_NAMED} more pairs" if len(those) > MOST_NAMED else ""
            words.append(f"{what}: {'; '.join(those[:MOST_NAMED])}{more}.")
    return " ".join(words)
