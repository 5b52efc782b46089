"""The one way a config refuses an impossible value."""

import math

from lab2.errors import ConfigError


def require_positive(name: str, value: float) -> None:
    """Raise `ConfigError` unless `value` is a number above 0 that a file can hold."""
    require(math.isfinite(value) and value > 0, f"{name}={value} must be positive")


def require(claim: bool, message: str) -> None:
    """Raise `ConfigError(message)` unless `claim` holds."""
    if not claim:
        raise ConfigError(message)
