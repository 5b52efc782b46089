"""Time to target: the training of each row until it was as accurate, on validation images, as all are asked to be."""

from __future__ import annotations

from lab2.report.axes import Axis, apart, log_axis
from lab2.report.figures.drawing import Drawing
from lab2.report.figures.listing import Dot, Line, Listing
from lab2.report.figures.material import Material
from lab2.report.figures.sheet import LETTER
from lab2.report.targets import TargetRow, time_to_target

MOST_ROWS = 30


def target_figures(found: Material, target: float | None) -> list[Drawing]:
    """One figure, the fastest row first; none where no seed arrived. `target`: [0, 1]; None: a common one."""
    targets = time_to_target(found.report, found.histories, target)
    if targets is None or targets.ends is None:
        return []
    first, last = targets.ends

    def axis(start: float, end: float, em: float) -> Axis:
        return apart(log_axis(first, last, start, end), 0.8 * em, LETTER * em)

    listing = Listing(
        lines=[_line(row, found) for row in targets.rows[:MOST_ROWS]],
        axis=axis,
        title=f"seconds to a validation accuracy of {100 * targets.target:.4g} %",
    )
    left_out = len(targets.rows) - MOST_ROWS
    more = f" {left_out} more rows are not drawn." if left_out > 0 else ""
    return [
        Drawing(
            name="target",
            title=f"Training time to a validation accuracy of {100 * targets.target:.4g} %",
            conclusion=f"{targets.conclusion} The target is {targets.why}. {targets.note}".strip() + more,
            height=listing.height,
            draw=listing.draw,
        )
    ]


def _line(row: TargetRow, found: Material) -> Line:
    """A row's seeds are hollow, their mean is filled."""
    common, style = row.common, found.styles[row.job]
    dots = [Dot(value=value, style=style, size=0.26, hollow=True) for value in common.seconds if common.seeds > 1]
    if common.mean is not None:
        dots.append(Dot(value=common.mean, style=style))
    ends = (min(common.seconds), max(common.seconds)) if common.seconds else (None, None)
    return Line(name=row.job, numbers=common.text, dots=dots, low=ends[0], high=ends[1], colour=style.colour)
