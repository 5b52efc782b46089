"""Reliability: how often each network is right about the images of which it is so sure.

Source: DeGroot and Fienberg 1983, The Statistician 32:12; Guo et al. 2017 (arXiv:1706.04599), figure 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from lab2.report.page.answers import Answers
from lab2.report.page.styles import Style
from lab2.report.page.svg import chart, line, mark, path, text

WIDTH, HEIGHT = 200, 214
_LEFT, _RIGHT, _TOP, _BOTTOM = 38, 190, 24, 176
MOST_PANELS = 60
FEW = 10  # answers of a bin; with fewer its share is mostly luck, and its mark is hollow


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """One row's chart."""

    job: str
    picture: Markup
    conclusion: str


def reliability(answers: Answers, styles: Mapping[str, Style]) -> list[Reliability]:
    """A chart for each job whose scores are probabilities."""
    found = []
    for job, one in list(answers.jobs.items())[:MOST_PANELS]:
        if one.bins is not None:
            words = conclusion(job, one.bins, one.seeds)
            found.append(Reliability(job=job, picture=_picture(one.bins, styles[job], words), conclusion=words))
    return found


def conclusion(job: str, bins: NDArray[np.float64], seeds: int) -> str:
    """Too sure or not sure enough, in one sentence. `bins` are those of `JobAnswers`."""
    count, sure, right = (float(total) for total in bins.sum(1))
    error = float(np.abs(bins[1] - bins[2]).sum()) / count
    gap = (sure - right) / count
    trend = "too sure" if gap > 0 else "not sure enough"
    words = f"{job}: it says {sure / count:.1%} on average and is right in {right / count:.1%}"
    most = f"{trend} by {abs(100 * gap):.1f} points" if abs(gap) >= 0.0005 else "neither too sure nor too unsure"
    pooled = f", {seeds} seeds pooled" if seeds > 1 else ""
    return f"{words}: {most}. Calibration error {100 * error:.1f} points{pooled}."


def _picture(bins: NDArray[np.float64], style: Style, words: str) -> Markup:
    parts: list[Markup] = []
    for share in (0.0, 0.5, 1.0):
        parts += [
            line(_LEFT, _y(share), _RIGHT, _y(share), "grid"),
            text(_LEFT - 5, _y(share) + 4, f"{100 * share:.0f}", "tick end"),
            text(_x(share), _BOTTOM + 15, f"{100 * share:.0f}", "tick middle"),
        ]
    parts += [
        line(_x(0), _y(0), _x(1), _y(1), "ideal"),
        text((_LEFT + _RIGHT) / 2, HEIGHT - 6, "says, %", "label middle"),
        text(2, 10, "right, %", "label"),
    ]
    filled = np.flatnonzero(bins[0] > 0)
    points = [(_x(bins[1, place] / bins[0, place]), _y(bins[2, place] / bins[0, place])) for place in filled]
    parts.append(path(points, f"curve {style.colour}"))
    for place, (x, y) in zip(filled.tolist(), points, strict=True):
        few = " few" if bins[0, place] < FEW else ""
        title = f"{bins[0, place]:,.0f} answers: says {bins[1, place] / bins[0, place]:.1%}"
        parts.append(mark(style.shape, x, y, 3.5, f"mark {style.colour}{few}", title))
    return chart(WIDTH, HEIGHT, words, parts)


def _x(share: float) -> float:
    return _LEFT + float(share) * (_RIGHT - _LEFT)


def _y(share: float) -> float:
    return _BOTTOM + float(share) * (_TOP - _BOTTOM)
