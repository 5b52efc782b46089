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


def first_wrong(error: ValidationError) -> str:
    """The first thing that is wrong: the field, what was found, what is wanted."""
    one = error.errors()[0]
    wanted = one["msg"].removeprefix("Input should be ").replace("a valid tuple", 'a list, as in ["..."]')
    return f"{'.'.join(map(str, one['loc']))}: found {one['input']!r}, wanted {wanted}"
