"""Records which results of a run were copied from another run that had finished the same trials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from lab2.regular_file import LISTS, read_regular
from lab2.whole_file import write_whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The run from which a trial's shard was copied."""

    run: str
    started_at: str | None  # of the copied shard; the shard of a trial that was run again here has another


_TAKEN: TypeAdapter[dict[str, Taken]] = TypeAdapter(dict[str, Taken])


def write_taken(path: Path, taken: Mapping[str, Taken]) -> None:
    """Record what was copied, by trial. Raises `OSError` where it cannot be written."""
    write_whole(path, _TAKEN.dump_json(dict(taken), indent=2))


def read_taken(path: Path) -> dict[str, Taken]:
    """By trial, what was copied; empty where nothing was, or where the record cannot be read."""
    try:
        return _TAKEN.validate_json(read_regular(path, LISTS))
    except (OSError, ValidationError):
        return {}
