"""What a study adds to the page of its run: a section of its own, without a word on how it looks."""

from __future__ import annotations

from dataclasses import dataclass

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
    curves: tuple[Curve, ...] = ()
    x: str = ""  # what the curves' x is
    jobs: tuple[JobSpec, ...] = ()  # those of the curves
    notes: tuple[str, ...] = ()
