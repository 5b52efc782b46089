"""DejaVu Sans, which comes with matplotlib: a figure looks the same everywhere. For what it lacks another font."""

from __future__ import annotations

from functools import cache

from lab2.foreign_text import one_line

FAMILY = "DejaVu Sans"


def shown(text: str) -> tuple[str, list[str]]:
    """`text` as it can be drawn, and the families to draw it with.

    A character of which no font of this machine has a glyph is written as its code, `U+4E2D`. What cannot be seen is
    written as Python does.
    """
    text = one_line(text)
    wanted = _lacking(text, FAMILY)
    if not wanted:
        return text, [FAMILY]
    other = _other(frozenset(wanted))
    left = _lacking(text, other) & wanted if other else wanted
    return "".join(f"U+{ord(c):04X}" if c in left else c for c in text), [FAMILY, other] if other else [FAMILY]


def shortened(text: str, most: int) -> str:
    """`text`, of which an ellipsis replaces the middle where it has more than `most` characters."""
    if len(text) <= most:
        return text
    first = most // 2
    return f"{text[:first]}…{text[len(text) - (most - 1 - first) :]}"


def _lacking(text: str, family: str) -> set[str]:
    return {character for character in text if ord(character) not in _glyphs(family)}


@cache
def _other(wanted: frozenset[str]) -> str:
    """The installed family that has most of the characters; of several the first by name. Empty: none has any."""
    from matplotlib import font_manager

    counts = {}
    for family in sorted({one.name for one in font_manager.fontManager.ttflist}):
        counts[family] = sum(ord(character) in _glyphs(family) for character in wanted)
    best = max(counts, key=lambda family: counts[family])
    return best if counts[best] else ""


@cache
def _glyphs(family: str) -> frozenset[int]:
    from matplotlib import font_manager

    path = font_manager.findfont(font_manager.FontProperties(family=family))
    return frozenset(font_manager.get_font(path).get_charmap())
