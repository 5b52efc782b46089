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


def _lacking(text: str, family: str) -> set[str]:
    return {character for character in text if ord(character) not in _glyphs(family)}


@cache
def _other(wanted: frozenset[str]) -> str:
    """The installed family that has most of the characters; of several the first by name. Empty: none has any."""
    counts = {family: sum(ord(one) in _glyphs(family) for one in wanted) for family in sorted(_installed())}
    best = max(counts, key=lambda family: counts[family], default="")
    return best if counts.get(best) else ""


@cache
def _installed() -> dict[str, str]:
    """The upright fonts of this machine by family, each with its file; of those of matplotlib `FAMILY` alone.

    The others of matplotlib are for formulas, and one has a box for each character that there is.
    """
    import matplotlib as mpl
    from matplotlib.font_manager import fontManager

    return {
        one.name: one.fname
        for one in sorted(fontManager.ttflist, key=lambda one: one.fname, reverse=True)
        if one.style == "normal" and one.weight in (400, "normal", "regular")
        if one.name == FAMILY or not one.fname.startswith(mpl.get_data_path())
    }


@cache
def _glyphs(family: str) -> frozenset[int]:
    from matplotlib.font_manager import get_font

    return frozenset(get_font(_installed()[family]).get_charmap())
