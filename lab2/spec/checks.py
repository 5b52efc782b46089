"""The one way a config refuses an impossible value."""

from lab2.errors import ConfigError


def require(claim: bool, message: str) -> None:
    """Raise `ConfigError(message)` unless `claim` holds."""
    if not claim:
        raise ConfigError(message)
