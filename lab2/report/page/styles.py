"""The colour and the mark of a row: the same in every page, whichever rows stand beside it.

The colour is that of the architecture, so that `cnn` and `cnn_strong` share it; the mark is the job's own. Networks
that are not lab2's own have the colour of their job. Baselines are grey. The colours are in `page.css`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from lab2.report.page.svg import SHAPES
from lab2.spec.job import JobSpec

COLOURS = 7
BASELINE = "cg"  # grey
_SALT = "91"  # with it the architectures of lab2 have different ones


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How a row is drawn."""

    colour: str  # a class of page.css: c0 to c6, or `BASELINE`
    shape: str  # one of SHAPES


def style_of(job: JobSpec) -> Style:
    """A function of the job alone."""
    known = job.name if job.model.code else job.model.architecture
    colour = BASELINE if job.model.fitted else f"c{_number(known) % COLOURS}"
    return Style(colour=colour, shape=SHAPES[_number(job.name) % len(SHAPES)])


def styles_of(jobs: Iterable[JobSpec]) -> dict[str, Style]:
    """By the jobs' names."""
    return {job.name: style_of(job) for job in jobs}


def _number(text: str) -> int:
    return hashlib.sha256(f"{_SALT}:{text}".encode()).digest()[0]
