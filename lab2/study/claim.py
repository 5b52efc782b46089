"""What a claim is: its text, its trials, and the rule that gives the verdict. And the search for claims.

A claim is one file of `lab2/study/claims/` that binds `CLAIM`. Its rule is stated in words, with all its numbers,
before a trial runs; the code of the same file follows it.
"""

from __future__ import annotations

import hashlib
import importlib
import math
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Literal

from lab2.errors import ConfigError
from lab2.report.chapter import Chart, Table
from lab2.spec.job import Trial
from lab2.study.evidence import Evidence

_CLAIMS = "lab2.study.claims"

Size = Literal["small", "full"]  # small: at most 15 minutes on two cores; full: for a cluster


class Verdict(StrEnum):
    """What the data say of a claim, by its rule."""

    SUPPORTED = "supported"
    REFUTED = "refuted"
    UNDECIDED = "not decided by these data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A number that was measured, with its 95 % interval where it has one."""

    name: str
    value: float | None  # None: the data do not give it
    low: float | None = None
    high: float | None = None
    unit: str = ""  # "points" of accuracy, "px", "s"; empty: none

    @property
    def text(self) -> str:
        """The number as a report shows it."""
        unit = f" {self.unit}" if self.unit else ""
        if self.value is None:
            return "not determined"
        if self.low is None or self.high is None:
            return f"{shown(self.value)}{unit}"
        return f"{shown(self.value)}{unit} [{shown(self.low)}, {shown(self.high)}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """What a study found: the verdict, the sentence that gives its reason, and what it rests on."""

    verdict: Verdict
    sentence: str
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    charts: tuple[Chart, ...] = ()
    notes: tuple[str, ...] = ()  # what the reader must know of the data, a sentence each


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One claim, as its file defines it."""

    name: str
    number: int  # its place in the lab's list
    text: str  # the claim, a sentence
    rule: str  # how the verdict follows from the data, with all thresholds
    plan: Callable[[Size], tuple[Trial, ...]]  # its trials, of the size and of the weights that are on this machine
    conclude: Callable[[Evidence], Conclusion]  # follows the rule; is called when all trials are finished
    file: Path
    timed: bool = False  # its trials' times are compared, so on one machine they run one at a time

    @property
    def source_sha256(self) -> str:
        """SHA-256 of the file that holds the rule."""
        return hashlib.sha256(self.file.read_bytes()).hexdigest()


@cache
def claims() -> dict[str, Claim]:
    """Every claim by its name, in the order of their numbers."""
    package = importlib.import_module(_CLAIMS)
    names = [info.name for info in pkgutil.iter_modules(package.__path__)]
    found: list[Claim] = [importlib.import_module(f"{_CLAIMS}.{name}").CLAIM for name in names]
    return {one.name: one for one in sorted(found, key=lambda one: one.number)}


def choose(names: Iterable[str]) -> list[Claim]:
    """The named claims, or all six for the name `all`. Raises `ConfigError` for an unknown name."""
    known, wanted = claims(), list(dict.fromkeys(names))
    if "all" in wanted:
        return list(known.values())
    for name in wanted:
        if name not in known:
            raise ConfigError(f"lab2 study {name}: no such claim; there are: {', '.join(known)}, or all of them: all")
    return [known[name] for name in wanted]


def shown(number: float) -> str:
    """Four significant digits, without an exponent; thousands apart."""
    if not math.isfinite(number):
        return str(number)
    digits = max(0, 3 - math.floor(math.log10(abs(number)))) if number else 2
    text = f"{number:,.{min(digits, 6)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
