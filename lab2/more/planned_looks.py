"""The plan of looks: all that decides when seeds are added and when one stops, written before any of them is trained.

The file is JSON with a SHA-256 over the plan: who reads a verdict can hold it against a rule that was made before the
results were known.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from pydantic import TypeAdapter

from lab2.compare.looks import Look
from lab2.spec.checks import require
from lab2.spec.sealed import Sealed, sha256_of

LOOKS_SCHEMA = 1
MOST = 100_000  # seeds of a job: as many trials as the collector is measured with


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options with which the looks were planned; None: left to lab2."""

    difference_points: float | None = None
    looks: tuple[int, ...] | None = None
    most_seeds: int | None = None

    def __post_init__(self) -> None:
        points = self.difference_points
        require(
            points is None or 0 < points < 100,
            f"--difference {points}: wanted points of accuracy between 0 and 100, such as 0.5",
        )
        for count in (*(self.looks or ()), *(() if self.most_seeds is None else (self.most_seeds,))):
            require(1 < count <= MOST, f"{count} seeds: wanted from 2 to {MOST:,} of each job")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedLook:
    """When to look: as soon as these trials have ended well."""

    count: int  # seeds of the job that has fewer; of those that get seeds
    seeds: dict[str, tuple[int, ...]]  # by job: all that are compared at this look, those of earlier looks included
    level: float  # two-sided p of this pair alone, at or below which the difference is shown


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedLooks:
    """The looks at one pair of a run."""

    decide: tuple[str, str]  # two jobs
    question: str  # what a difference is claimed of
    spending: str  # how alpha is spent on the looks
    alpha: float  # of all looks and all pairs together
    pairs: int  # that the run compares: the pair was chosen among them, and is judged at alpha / pairs
    at_hand: dict[str, tuple[int, ...]]  # by job: the seeds that were there when the looks were planned
    looks: tuple[PlannedLook, ...]
    difference: float  # the true difference that they are planned to find, of accuracies in [0, 1]
    power: float | None  # with which the seeds of the last look find it; None: one seed at hand cannot tell
    asked: Asked

    def __post_init__(self) -> None:
        counts = self.counts
        require(bool(counts) and counts[0] >= 2, f"looks: at {list(counts)} seeds; wanted 2 or more at the first")
        require(all(a < b for a, b in pairwise(counts)), f"looks: at {list(counts)} seeds; wanted increasing numbers")
        require(0 < self.alpha < 1 and self.pairs > 0, f"looks: alpha={self.alpha} over {self.pairs} pairs")
        names = set(self.decide)
        require(len(names) == 2, f"looks: decide={list(self.decide)}; wanted two different jobs")
        require(
            all(set(seeds) == names for seeds in (self.at_hand, *(look.seeds for look in self.looks))),
            f"looks: they have seeds of other jobs than {' and '.join(self.decide)}",
        )

    @property
    def counts(self) -> tuple[int, ...]:
        """The seeds of the job that has fewer, at each look."""
        return tuple(look.count for look in self.looks)

    @property
    def new(self) -> int:
        """How many trials all looks take at most, beside those at hand."""
        return sum(len(seeds) - len(self.at_hand[job]) for job, seeds in self.looks[-1].seeds.items())

    def seeds(self, complete: int) -> dict[str, tuple[int, ...]]:
        """By job, the seeds that are compared when the first `complete` looks have been made."""
        return self.looks[complete - 1].seeds if complete else self.at_hand

    def look(self, number: int) -> Look:
        """Look `number`, from 1, as `compare` takes it."""
        return Look(seeds=self.counts, number=number, pairs=self.pairs)

    @property
    def sha256(self) -> str:
        """SHA-256 of the plan as sorted, compact JSON."""
        return sha256_of(_LOOKS, self)


def write_looks(path: Path, planned: PlannedLooks) -> None:
    """Write `planned` to `path`. Raises `OSError` if the disk refuses it."""
    _FILE.write(path, planned)


def read_looks(path: Path) -> PlannedLooks:
    """The looks that `write_looks` wrote to `path`. Raises `ConfigError` for an altered one or any other file."""
    return _FILE.read(path)


_LOOKS: TypeAdapter[PlannedLooks] = TypeAdapter(PlannedLooks)
_FILE = Sealed(
    adapter=_LOOKS, key="looks", schema=LOOKS_SCHEMA, sha256=lambda planned: planned.sha256, what="a plan of looks",
    again="start a new run of the two jobs",
)  # fmt: skip
