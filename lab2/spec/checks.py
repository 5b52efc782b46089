"""Checks of the values in configs and files, and the messages of the errors that they raise."""

import math

from pydantic import ValidationError

from lab2.errors import ConfigError


def require_positive(name: str, value: float) -> None:
    """Raise `ConfigError` unless `value` is finite and above 0."""
    require(math.isfinite(value) and value > 0, f"{name}={value} must be positive")


def require(claim: bool, message: str) -> None:
    """Raise `ConfigError(message)` unless `claim` holds."""
    if not claim:
        raise ConfigError(message)


def wrong_schema(found: object, read: int, anew: str) -> str:
    """The message for a file of schema `found` where this version reads `read`.

    `anew` says how the user gets a file that this version reads.
    """
    if not isinstance(found, int):
        return f"schema {found!r}, this version reads {read}; another program wrote it"
    if found > read:
        return f"schema {found}, this version reads {read}; update lab2"
    return f"schema {found} of an older lab2, this version reads {read}; {anew}, or use the lab2 that wrote it"


def first_error(error: ValidationError) -> str:
    """The first error of a validation as a message: the field, what was found, what is wanted."""
    first = error.errors()[0]
    wanted = first["msg"].removeprefix("Input should be ").replace("a valid tuple", 'a list, as in ["..."]')
    return f"{'.'.join(map(str, first['loc'])) or 'all of it'}: found {first['input']!r}, wanted {wanted}"
