"""Reliability diagrams: how often a row is right about the images of which it is so sure, a panel a row.

Source: DeGroot and Fienberg 1983, The Statistician 32:12; Guo et al. 2017 (arXiv:1706.04599), figure 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lab2.report.axes import linear_axis
from lab2.report.figures.drawing import Drawing
from lab2.report.figures.material import Material
from lab2.report.figures.panels import MOST_PANELS, Panel, grid
from lab2.report.figures.sheet import QUIET, Room, Sheet
from lab2.report.page.calibration import FEW, conclusion
from lab2.report.page.styles import Style


def calibration_figures(found: Material) -> list[Drawing]:
    """One figure of the rows whose scores are probabilities."""
    rows = [
        (job, found.answers.jobs[job].bins, found.answers.jobs[job].seeds)
        for job in found.order
        if job in found.answers.jobs
    ]
    known = [(job, bins, seeds) for job, bins, seeds in rows if bins is not None]
    shown = known[:MOST_PANELS]
    if not shown:
        return []
    words = " ".join(conclusion(job, bins, seeds) for job, bins, seeds in shown)
    if len(known) > len(shown):
        words += f" {len(known) - len(shown)} rows that are less accurate are not drawn."
    panels = [(job, _panel(bins, found.styles[job])) for job, bins, _ in shown]
    height, draw = grid(panels, 16.5, "says, %", "right, %; hollow: of fewer than ten answers")
    return [Drawing(name="calibration", title="Calibration", conclusion=words, height=height, draw=draw)]


def _panel(bins: NDArray[np.float64], style: Style) -> Panel:
    """`bins`: (3, B) images, sum of confidence, right answers."""

    def draw(sheet: Sheet, room: Room, x_title: str) -> None:
        side = min(room.right - room.left, room.bottom - room.top)
        square = Room(left=room.left, top=room.top, right=room.left + side, bottom=room.top + side)
        x = linear_axis(0, 100, square.left, square.right, 2)
        y = linear_axis(0, 100, square.bottom, square.top, 2)
        sheet.frame(square, x, y, x_title, "")
        sheet.line([(x.at(0), y.at(0)), (x.at(100), y.at(100))], QUIET, 0.1, dashes=(4, 4))
        filled = np.flatnonzero(bins[0] > 0)
        sure, right = 100 * bins[1, filled] / bins[0, filled], 100 * bins[2, filled] / bins[0, filled]
        points = [(x.at(says), y.at(is_right)) for says, is_right in zip(sure.tolist(), right.tolist(), strict=True)]
        if len(points) > 1:
            sheet.line(points, style.colour, 0.17)
        for place, point in zip(filled.tolist(), points, strict=True):
            sheet.mark(*point, style, 0.3, hollow=bool(bins[0, place] < FEW))

    return draw
