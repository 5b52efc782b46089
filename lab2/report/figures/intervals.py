"""The accuracy of each row with its 95 % interval."""

from __future__ import annotations

from lab2.report.answer import answer
from lab2.report.axes import Axis, accuracy_axis, apart
from lab2.report.figures.drawing import Drawing
from lab2.report.figures.listing import Dot, Line, Listing
from lab2.report.figures.material import Material
from lab2.report.figures.sheet import LETTER

MOST_ROWS = 30


def interval_figures(found: Material) -> list[Drawing]:
    """One figure, the most accurate row first; none where no row has an accuracy."""
    known = found.summary[found.summary["accuracy"].notna()]
    rows = [
        (str(job), float(mean), float(low), float(high))
        for job, mean, low, high in known[["job", "accuracy", "accuracy_low", "accuracy_high"]].itertuples(index=False)
    ]
    if not rows:
        return []
    left_out = f" {len(rows) - MOST_ROWS} rows that are less accurate are not drawn." if len(rows) > MOST_ROWS else ""
    rows = rows[:MOST_ROWS]
    lines = [
        Line(
            name=job,
            numbers=f"{mean:.2%} [{100 * low:.2f}, {100 * high:.2f}]",
            dots=(Dot(value=mean, style=found.styles[job]),),
            low=low,
            high=high,
            colour=found.styles[job].colour,
        )
        for job, mean, low, high in rows
    ]
    ends = [value for _, _, low, high in rows for value in (low, high)]

    def axis(start: float, end: float, em: float) -> Axis:
        return apart(accuracy_axis(ends, start, end, found.least), 0.8 * em, LETTER * em)

    each = "; ".join(f"{one.name} {one.numbers}" for one in lines)
    claim = "" if found.rows else " ".join(answer(found.report.finding)[:1])
    listing = Listing(lines=lines, axis=axis, title="test accuracy, %")
    return [
        Drawing(
            name="intervals",
            title="Test accuracy of each row with its 95 % interval",
            conclusion=f"{claim} {each}.{left_out}".strip(),
            height=listing.height,
            draw=listing.draw,
        )
    ]
