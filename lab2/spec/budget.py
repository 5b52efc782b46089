"""A budget: what every architecture may spend on training, as `--budget` and `train.budget` take it."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lab2.errors import ConfigError

Unit = Literal["seconds", "images", "flops"]

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_NUMBER = r"(\d+(?:\.\d+)?(?:e[+]?\d+)?)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """So much of one unit: seconds of training, training images seen, or FLOPs of training."""

    amount: float
    unit: Unit

    @property
    def is_time(self) -> bool:
        return self.unit == "seconds"


def parse_budget(text: str) -> Budget:
    """The budget that `text` states: "90s", "5m", "1.5h", "20000-images" or "3e15-flops". Raises `ConfigError`."""
    match = re.fullmatch(rf"{_NUMBER}(?:(s|m|h)|-(images|flops))", text.strip().lower())
    if match is None:
        raise ConfigError(f"budget {text!r}: wanted time (90s, 5m, 1.5h), 20000-images or 3e15-flops")
    amount = float(match[1]) * _SECONDS.get(match[2] or "", 1.0)
    if not 0 < amount < math.inf:
        raise ConfigError(f"budget {text!r}: wanted more than nothing, and a finite amount")
    units: dict[str, Unit] = {"images": "images", "flops": "flops"}
    return Budget(amount=amount, unit=units.get(match[3] or "", "seconds"))


def with_budget(settings: Sequence[str], budget: str | None) -> list[str]:
    """`settings`, as `--set` takes them, and that of `--budget`. Raises `ConfigError` for a budget that is none."""
    if budget is None:
        return [*settings]
    parse_budget(budget)
    return [*settings, f"train.budget={budget}"]


def part_of_budget(text: str, share: float) -> str:
    """The budget that is `share` of the one that `text` states. Raises `ConfigError` as `parse_budget` does."""
    whole = parse_budget(text)
    amount = whole.amount * share
    match whole.unit:
        case "seconds":
            return f"{amount:.6g}s"
        case "images":
            return f"{max(1, round(amount))}-images"
        case "flops":
            return f"{amount:.6g}-flops"
