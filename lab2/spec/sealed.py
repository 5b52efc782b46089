"""Files that fix something before it starts: JSON with a SHA-256 over it, so that a later reader sees a change."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from lab2.errors import ConfigError
from lab2.regular_file import LISTS, read_regular
from lab2.spec.checks import first_error, require, wrong_schema
from lab2.whole_file import write_whole

T = TypeVar("T")


def sha256_of(adapter: TypeAdapter[Any], value: object, exclude: Any = None) -> str:
    """SHA-256 of `value` without `exclude`, as compact JSON sorted by name."""
    content = json.dumps(_content(adapter, value, exclude), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()


def _content(adapter: TypeAdapter[Any], value: object, exclude: Any = None) -> object:
    return json.loads(adapter.dump_json(value, exclude=exclude))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed(Generic[T]):
    """A kind of such files."""

    adapter: TypeAdapter[T]
    key: str  # of the value in the file
    schema: int
    sha256: Callable[[T], str]  # of a value
    what: str  # the file, in errors: "a study"
    again: str  # what helps where it cannot be read: "start a new study"

    def write(self, path: Path, value: T) -> None:
        """Write `value` to `path`. Raises `OSError` if the disk refuses it."""
        content = {"schema": self.schema, "sha256": self.sha256(value), self.key: _content(self.adapter, value)}
        write_whole(path, json.dumps(content, indent=2).encode())

    def read(self, path: Path) -> T:
        """The value that `write` wrote to `path`. Raises `ConfigError` for an altered one or any other file."""
        try:
            content = json.loads(read_regular(path, LISTS))
            schema = content.get("schema")
            require(schema == self.schema, f"{path}: {wrong_schema(schema, self.schema, self.again)}")
            value = self.adapter.validate_json(json.dumps(content.get(self.key)))
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror}; wanted {self.what} of lab2") from error
        except ValidationError as error:
            raise ConfigError(f"{path}: {first_error(error)}; it was altered; {self.again}") from error
        except (AttributeError, ValueError) as error:
            raise ConfigError(f"{path}: not {self.what} ({error}); wanted what lab2 wrote") from error
        stated, found = str(content.get("sha256")), self.sha256(value)
        require(
            stated == found,
            f"{path}: its SHA-256 is {found[:12]}, and it says {stated[:12]}: it was altered, or another version of "
            f"lab2 wrote it; {self.what} is fixed before it starts: {self.again}",
        )
        return value
