"""Which rows of a run were not computed in it: taken over, as they are, from a run that had finished them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from lab2.regular_file import LISTS, read_regular
from lab2.whole_file import write_whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Where a trial's shard came from."""

    run: str
    started_at: str | None  # as the shard says; a trial that was run again here has another


_TAKEN: TypeAdapter[dict[str, Taken]] = TypeAdapter(dict[str, Taken])


def write_taken(path: Path, taken: Mapping[str, Taken]) -> None:
    """Note what is taken over, by trial; raises `OSError` as the disk does."""
    write_whole(path, _TAKEN.dump_json(dict(taken), indent=2))


def read_taken(path: Path) -> dict[str, Taken]:
    """By trial; nothing, where nothing was taken over or the note cannot be read."""
    try:
        return _TAKEN.validate_json(read_regular(path, LISTS))
    except (OSError, ValidationError):
        return {}
