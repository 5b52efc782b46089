"""Sanitises text that lab2 did not write: on input, and again for each kind of output.

On input, text becomes one line of visible characters (`one_line`, `keep_visible`). On output it is escaped for its
target: a terminal interprets escape sequences, a spreadsheet runs formulas, Markdown has links and tables, LaTeX runs
commands. JSON needs no rule, because its writers escape text.

Source: Unicode 15, chapter 23, "Special Areas and Format Characters"; ECMA-48, 5 (C0 and C1); OWASP, "CSV Injection";
CommonMark 0.31, "Backslash escapes", and GitHub Flavored Markdown, "Tables" and "Autolinks"; Knuth, "The TeXbook",
chapter 7 (the special characters), and the LaTeX kernel's accents and symbols.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from dataclasses import fields
from functools import cache
from typing import Any

LONGEST = 4000  # characters; a longer line is cut, because it would push all other output off the screen
# Unicode categories: controls, format characters (bidi overrides, zero-width), surrogates, line and paragraph breaks.
_INVISIBLE = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
# What LaTeX would obey, or join with its neighbour to another character. A character by its number means the same
# whatever babel makes of it.
_LATEX = {
    **{c: f"\\{c}" for c in "#$%&_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "|": r"\textbar{}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", '"': r"{\char34}", "`": r"{\char96}"},
    **{"[": "{[}", "]": "{]}", "*": "{*}"},  # behind the end of a row they would be its options
    **{"†": r"\textdagger{}", "≥": r"$\geq$", "≤": r"$\leq$", "±": r"$\pm$", "×": r"$\times$", "−": "$-$"},
    **{"–": r"\textendash{}", "—": r"\textemdash{}", "…": r"\ldots{}", "µ": r"$\mu$", "½": r"$\frac12$"},
    **{
        "ß": r"{\ss}",
        "æ": r"{\ae}",
        "Æ": r"{\AE}",
        "ø": r"{\o}",
        "Ø": r"{\O}",
        "ł": r"{\l}",
        "Ł": r"{\L}",
        "\xa0": "~",
    },
}
_COMBINING = "\u0300\u0301\u0302\u0303\u0308\u0304\u0307\u0327\u030c\u030a\u030b"
_LATEX_ACCENTS = dict(zip(_COMBINING, "`'^~\"=.cvrH", strict=True))
# What lab2 prints beside ASCII, for terminals and files whose encoding lacks it: a character for a character.
_PLAIN = {
    **dict(zip("├─●┤◂▸", "[-o]<>", strict=True)),  # bars of intervals
    **dict(zip("▁▂▃▄▅▆▇█", "_.-~=+*#", strict=True)),  # curves
    **dict(zip("–—−·×†µ’‘“”≈", "---.x+u''\"\"~", strict=True)),
    **{"…": "...", "≥": ">=", "≤": "<=", "±": "+-", "²": "^2", "½": "1/2"},
}
PLAIN_ERRORS = "lab2-plain"  # a value of `errors` of an output; see `register_plain`
FORMULA = r"^[=+\-@\t\r\n＝＋－＠]"  # the first characters of what a spreadsheet takes for a formula


def one_line(text: str) -> str:
    """`text` as one line of at most `LONGEST` characters, with invisible characters as Python escapes them."""
    visible = _visible(text, "")
    return visible if len(visible) <= LONGEST else visible[: LONGEST - 1] + "…"


def keep_visible(record: Any) -> None:
    """Apply `one_line` to the text fields of `record`, a frozen dataclass. Call it in `__post_init__`."""
    names = _names(record.__class__)
    for name, value in zip(names, map(record.__getattribute__, names), strict=True):
        if isinstance(value, str) and (not value.isprintable() or len(value) > LONGEST):
            object.__setattr__(record, name, one_line(value))


def is_visible(text: str) -> bool:
    """Whether `one_line` would not escape anything in `text`. The length is not checked."""
    return _visible(text, "") == text


def for_terminal(text: str) -> str:
    """`text` for a terminal: line breaks and tabs are kept, other invisible characters are escaped."""
    return _visible(text, "\n\t")


def register_plain() -> None:
    """Make `PLAIN_ERRORS` known: what an output's encoding lacks is written in ASCII, or as Python escapes it."""
    codecs.register_error(PLAIN_ERRORS, _plain)


def _plain(error: UnicodeError) -> tuple[str, int]:
    """In ASCII what cannot be encoded, and where to go on. Raises `error` where it is of decoding."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_PLAIN.get(c) or _escaped(c) for c in lacking), error.end


def for_csv(text: str) -> str:
    """`text` for a cell of CSV: a leading apostrophe is added to what a spreadsheet would take for a formula."""
    return f"'{text}" if re.match(FORMULA, text) else text


def for_markdown(text: str) -> str:
    """`text` for a line or a cell of Markdown, escaped so that it makes no table, link, code, emphasis or HTML."""
    text = _visible(text.replace("\n", " "), "")
    text = re.sub(r"[\\`*\[\]|~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\\g<0>", text)
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"(?<=:)//|(?<=www)\.", r"\\\g<0>", text)  # otherwise GitHub turns addresses into links


def for_latex(text: str) -> str:
    """`text` for LaTeX, as ASCII that it does not obey; a character that TeX's own fonts lack as its code, `U+4E2D`.

    The end of a line becomes a space.
    """
    visible = _visible(text.replace("\n", " "), "")
    escaped = "".join(c if c.isascii() and c not in _LATEX else _in_latex(c) for c in visible)
    return re.sub(r"([-'])(?=\1)", r"\1{}", escaped)  # two of them would become one longer character


def _in_latex(character: str) -> str:
    if character in _LATEX:
        return _LATEX[character]
    apart = unicodedata.normalize("NFD", character)
    letter, accent = apart[0], _LATEX_ACCENTS.get(apart[1:])
    if accent and letter.isascii() and letter.isalpha():
        base = {"i": r"\i", "j": r"\j"}.get(letter, letter)  # without a dot under the accent
        return rf"\{accent}{{{base}}}"
    return f"U+{ord(character):04X}"


@cache
def _names(kind: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def _visible(text: str, kept: str) -> str:
    """`text` with invisible characters escaped, except those in `kept`."""
    if text.isprintable():  # a fast path for nearly all text; of the separators only a space is printable
        return text
    return "".join(c if c in kept or unicodedata.category(c) not in _INVISIBLE else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
