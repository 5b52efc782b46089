"""Words for what is counted."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """`1 thread`, `2 threads`, `1,000 threads`."""
    return f"{count:,} {noun}{'s' * (count != 1)}"
