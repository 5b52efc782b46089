"""The colour and the mark of a row: as far as marks go, the same in every page, whichever rows stand beside it.

The colour is that of the architecture, so that `cnn` and `cnn_strong` share it; the mark is the job's own. Networks
that are not lab2's own have the colour of their job. Baselines are grey. The colours are in `page.css`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lab2.report.page.svg import SHAPES
from lab2.spec.job import JobSpec

COLOURS = 7
BASELINE = "cg"  # grey
_SALT = "91"  # with it the architectures of lab2 have different ones
_SUFFIXES = ("strong", "tuned", "run1", "run2", "run3")  # of names that jobs/, `lab2 tune` and `lab2 merge` make


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How a row is drawn."""

    colour: str  # a class of page.css: c0 to c6, or `BASELINE`
    shape: str  # one of SHAPES


def styles_of(jobs: Iterable[JobSpec]) -> dict[str, Style]:
    """By the jobs' names; a function of the jobs and not of their order.

    Rows of one colour have different marks, as far as there are marks: a row whose own mark another one claims, too,
    takes a free one, in the order of the names. The usual names (`cnn`, `cnn_strong`, `cnn_tuned`, `cnn_run1`,
    `cnn_run2`) claim different marks, so they look the same in every page.
    """
    by_colour: dict[str, set[str]] = {}
    for job in jobs:
        by_colour.setdefault(_colour(job), set()).add(job.name)
    return {
        name: Style(colour=colour, shape=SHAPES[place])
        for colour, names in by_colour.items()
        for name, place in _places(sorted(names)).items()
    }


def _colour(job: JobSpec) -> str:
    known = job.name if job.model.code else job.model.architecture
    return BASELINE if job.model.fitted else f"c{_number(known) % COLOURS}"


def _places(names: Sequence[str]) -> dict[str, int]:
    """By name: the number of its mark."""
    claims: dict[int, list[str]] = {}
    for name in names:
        claims.setdefault(_claimed(name), []).append(name)
    places = {those[0]: place for place, those in claims.items()}
    free = [place for place in range(len(SHAPES)) if place not in claims]
    for name in (name for name in names if name not in places):
        places[name] = free.pop(0) if free else _claimed(name)
    return places


def _claimed(name: str) -> int:
    """The number of a name's own mark: that of what comes before its suffix, moved on by the suffix."""
    stem, _, suffix = name.rpartition("_")
    if stem and suffix in _SUFFIXES:
        return (_number(stem) + _SUFFIXES.index(suffix) + 1) % len(SHAPES)
    return _number(name) % len(SHAPES)


def _number(text: str) -> int:
    return hashlib.sha256(f"{_SALT}:{text}".encode()).digest()[0]
