"""What a row must not exceed, or must reach: the limits of `lab2 recommend`, and whether a row of the table fits."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import pandas as pd

from lab2.errors import ConfigError


class Fit(StrEnum):
    """How a row stands to a limit."""

    FITS = "fits"
    BEYOND = "does not fit"
    UNKNOWN = "not known to fit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A column that can be limited."""

    option: str
    column: str  # of the table
    title: str
    text: Callable[[float], str]  # of a value in the column's unit
    per: float = 1.0  # units of the option in one of the column: 1,000 ms in a second
    at_least: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A column and its bound, in the column's unit."""

    kind: Kind
    bound: float

    @property
    def text(self) -> str:
        """`latency p50 at most 2 ms`."""
        return f"{self.kind.title} at {'least' if self.kind.at_least else 'most'} {self.kind.text(self.bound)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A row against one limit. The value and its 95 % interval are in the column's unit; None where unknown."""

    limit: Limit
    fit: Fit
    value: float | None
    low: float | None
    high: float | None
    why: str = ""  # it is not known whether it fits

    @property
    def crosses(self) -> bool:
        """Whether the limit lies within the interval: with other seeds the row might fit or not."""
        return self.low is not None and self.high is not None and self.low < self.limit.bound < self.high


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


KINDS = (
    Kind(option="--max-parameters", column="parameters", title="parameters", text=_number),
    Kind(
        option="--max-latency-ms", column="latency_p50_seconds", title="latency p50", per=1e3,
        text=lambda value: f"{_number(1e3 * value)} ms",
    ),
    Kind(
        option="--max-training-seconds", column="train_seconds", title="training",
        text=lambda value: f"{_number(value)} s",
    ),
    Kind(
        option="--max-memory-mb", column="inference_memory_bytes", title="memory to infer", per=1e-6,
        text=lambda value: f"{_number(1e-6 * value)} MB",
    ),
    Kind(
        option="--max-training-memory-mb", column="peak_memory_bytes", title="memory to train", per=1e-6,
        text=lambda value: f"{_number(1e-6 * value)} MB",
    ),
    Kind(option="--max-flops", column="flops_per_image", title="FLOPs/image", text=_number),
    Kind(
        option="--min-accuracy", column="accuracy", title="accuracy", text=lambda value: f"{value:.2%}", at_least=True,
    ),
)  # fmt: skip


def limits(asked: Mapping[str, float | None]) -> tuple[Limit, ...]:
    """The limits that are asked for, by option, in that option's unit. Raises `ConfigError` for what is none."""
    found = []
    for kind in KINDS:
        bound = asked.get(kind.option)
        if bound is None:
            continue
        if kind.at_least and not 0 < bound <= 1:
            raise ConfigError(f"{kind.option} {bound:g}: wanted a share above 0 and up to 1, such as 0.99")
        if not (math.isfinite(bound) and bound > 0):
            raise ConfigError(f"{kind.option} {bound:g}: wanted a number above 0")
        found.append(Limit(kind=kind, bound=bound / kind.per))
    return tuple(found)


def check(row: pd.Series, limit: Limit) -> Check:
    """Whether a row of the table fits, by its mean."""
    kind = limit.kind
    value, low, high = (_known(row, f"{kind.column}{end}") for end in ("", "_low", "_high"))
    if value is None:
        why = "the table has no figure (not measured, or not averaged over its seeds)"
        return Check(limit=limit, fit=Fit.UNKNOWN, value=None, low=None, high=None, why=why)
    fits = value >= limit.bound if kind.at_least else value <= limit.bound
    uncounted = row.get("flops_uncounted") if kind.column == "flops_per_image" else None
    if fits and not (uncounted is None or pd.isna(uncounted) or uncounted == ""):
        why = f"{kind.text(value)} are a lower bound, without {uncounted}"
        return Check(limit=limit, fit=Fit.UNKNOWN, value=value, low=low, high=high, why=why)
    return Check(limit=limit, fit=Fit.FITS if fits else Fit.BEYOND, value=value, low=low, high=high)


def _known(row: pd.Series, column: str) -> float | None:
    value = row.get(column)
    return None if value is None or pd.isna(value) else float(value)
