"""What a study adds to the page of its run: a section of its own, without a word on how it looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lab2.spec.job import JobSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """How accurate something of one job becomes: shares in [0, 1] in rising order of `x`."""

    job: str
    conclusion: str  # what it shows, in a sentence
    x: tuple[float, ...]
    middle: tuple[float, ...]
    low: tuple[float, ...]  # the band around it
    high: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing of a chart, in rising order of `x`. With one `x` it is a point."""

    name: str
    job: str  # whose colour and mark it has
    x: tuple[float, ...]
    middle: tuple[float, ...]
    low: tuple[float, ...]  # of the interval; where there is none, the middle
    high: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What was measured of several things, against what it depends on."""

    title: str
    conclusion: str  # what it shows, in a sentence or two
    x: str  # what x is, with its unit
    y: str  # its unit; "%": shares in [0, 1], on the scale of what is wrong; others on a logarithmic one
    lines: tuple[Line, ...]
    scale: Literal["log", "linear"] = "log"  # of x


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of text under their titles."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """One section. With a `headline` it stands above the table; headline and lead are then the page's answer."""

    name: str  # its address in the page; a word
    title: str
    lead: tuple[str, ...]  # paragraphs
    headline: str = ""
    figures: tuple[tuple[str, str], ...] = ()  # name and value
    tables: tuple[Table, ...] = ()
    charts: tuple[Chart, ...] = ()
    curves: tuple[Curve, ...] = ()
    x: str = ""  # what the curves' x is
    jobs: tuple[JobSpec, ...] = ()  # those of the charts and the curves
    notes: tuple[str, ...] = ()
