"""The one way a config refuses an impossible value, and says which."""

import math

from pydantic import ValidationError

from lab2.errors import ConfigError


def require_positive(name: str, value: float) -> None:
    """Raise `ConfigError` unless `value` is a number above 0 that a file can hold."""
    require(math.isfinite(value) and value > 0, f"{name}={value} must be positive")


def require(claim: bool, message: str) -> None:
    """Raise `ConfigError(message)` unless `claim` holds."""
    if not claim:
        raise ConfigError(message)


def wrong_schema(found: object, read: int, anew: str) -> str:
    """What is wrong with a file of schema `found`, and what to do; `anew` is how to get one that this version reads."""
    if not isinstance(found, int):
        return f"schema {found!r}, this version reads {read}; another program wrote it"
    if found > read:
        return f"schema {found}, this version reads {read}; update lab2"
    return f"schema {found} of an older lab2, this version reads {read}; {anew}, or use the lab2 that wrote it"


def first_wrong(error: ValidationError) -> str:
    """The first thing that is wrong: the field, what was found, what is wanted."""
    one = error.errors()[0]
    wanted = one["msg"].removeprefix("Input should be ").replace("a valid tuple", 'a list, as in ["..."]')
    return f"{'.'.join(map(str, one['loc'])) or 'all of it'}: found {one['input']!r}, wanted {wanted}"
