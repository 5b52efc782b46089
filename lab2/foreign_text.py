"""Text that lab2 did not write: one rule where it enters, and one for each place where it leaves.

It enters as one line in which every character can be seen (`one_line`, `keep_visible`). It leaves by the rule of where
it goes: a terminal obeys escape sequences, a spreadsheet computes what begins with `=`, Markdown has links and tables.
JSON escapes by itself.

Source: Unicode 15, chapter 23, "Special Areas and Format Characters"; ECMA-48, 5 (C0 and C1); OWASP, "CSV Injection";
CommonMark 0.31, "Backslash escapes", and GitHub Flavored Markdown, "Tables" and "Autolinks".
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import fields
from functools import cache
from typing import Any

LONGEST = 4000  # characters of one line: what is longer is cut, or it would hide all else
# Controls, format characters (bidi overrides, zero-width ones), half characters, separators of lines and paragraphs.
_UNSEEN = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
FORMULA = r"^[=+\-@\t\r\n＝＋－＠]"  # what a spreadsheet computes begins so


def one_line(text: str) -> str:
    """`text` as one line, not too long, in which each character that cannot be seen stands as Python writes it."""
    shown = _visible(text, "")
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"


def keep_visible(record: Any) -> None:
    """Let the text fields of `record`, a frozen dataclass, be what `one_line` makes of them; for `__post_init__`."""
    names = _names(record.__class__)
    for name, value in zip(names, map(record.__getattribute__, names), strict=True):
        if isinstance(value, str) and (not value.isprintable() or len(value) > LONGEST):
            object.__setattr__(record, name, one_line(value))


def is_visible(text: str) -> bool:
    """Whether `text` holds nothing that `one_line` would show in another way, but for its length."""
    return _visible(text, "") == text


def for_terminal(text: str) -> str:
    """`text` with its lines and tabs, and nothing that moves a cursor, sets a colour or turns the direction."""
    return _visible(text, "\n\t")


def for_csv(text: str) -> str:
    """`text` as a cell that a spreadsheet shows: with an apostrophe before what it would take for a formula."""
    return f"'{text}" if re.match(FORMULA, text) else text


def for_markdown(text: str) -> str:
    """`text` as itself in a line or a cell: no table, link, code, emphasis or HTML comes of it."""
    text = _visible(text.replace("\n", " "), "")
    text = re.sub(r"[\\`*\[\]|~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\\g<0>", text)
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"(?<=:)//|(?<=www)\.", r"\\\g<0>", text)  # else GitHub makes links of addresses


@cache
def _names(kind: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def _visible(text: str, kept: str) -> str:
    if text.isprintable():  # nearly all is; a space is the only separator that counts as such
        return text
    return "".join(c if c in kept or unicodedata.category(c) not in _UNSEEN else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
