"""The text of a PDF as Chromium prints it. Source: ISO 32000-1, 7.3 (objects), 9.4 (text) and 9.10.3 (ToUnicode).

Enough for what Skia writes, the library in Chromium: compressed streams, fonts with glyph numbers of two bytes.
"""

from __future__ import annotations

import re
import unicodedata
import zlib

_OBJECT = re.compile(rb"(\d+) 0 obj\s*(.*?)\s*endobj", re.DOTALL)
_STREAM = re.compile(rb"stream\r?\n(.*?)\r?\nendstream", re.DOTALL)
_SHOWN = re.compile(rb"/(F\d+) [\d.]+ Tf|<([0-9A-Fa-f]+)>(?=[^<>]*?T[jJ])|(\bET\b)")


def pages_of(pdf: bytes) -> list[str]:
    """The text of each page, without white space: where words end is a matter of places in a PDF."""
    objects = {int(number): content for number, content in _OBJECT.findall(pdf)}
    return [_page(one, objects) for one in objects.values() if re.search(rb"/Type /Page\b", one)]


def _page(page: bytes, objects: dict[int, bytes]) -> str:
    resources = _followed(page, rb"Resources", objects)
    fonts = _followed(resources, rb"Font", objects) if b"/Font" in resources else b""
    letters = {
        name: _letters(objects[int(number)], objects) for name, number in re.findall(rb"/(F\d+) (\d+) 0 R", fonts)
    }
    found, known = [], dict[int, str]()
    content = b"\n".join(_unpacked(objects[int(n)]) for n in re.findall(rb"(\d+) 0 R", _value(page, rb"Contents")))
    for font, glyphs, _ in _SHOWN.findall(content):
        if font:
            known = letters.get(font, {})
        elif glyphs:
            found += [known.get(int(glyphs[at : at + 4], 16), "") for at in range(0, len(glyphs), 4)]
    return re.sub(r"\s", "", unicodedata.normalize("NFKC", "".join(found)))  # a ligature is its letters


def _value(content: bytes, key: bytes) -> bytes:
    """A reference, an array of them, or a dictionary, which ends where it is closed."""
    found = re.search(rb"/" + key + rb"\s*(\d+ 0 R|\[[^\]]*\]|<<.*)", content, re.DOTALL)
    return found[1] if found else b""


def _followed(content: bytes, key: bytes, objects: dict[int, bytes]) -> bytes:
    value = _value(content, key)
    reference = re.fullmatch(rb"(\d+) 0 R", value)
    return objects[int(reference[1])] if reference else value


def _letters(font: bytes, objects: dict[int, bytes]) -> dict[int, str]:
    """What each glyph stands for."""
    reference = re.search(rb"/ToUnicode (\d+) 0 R", font)
    if reference is None:
        return {}
    cmap = _unpacked(objects[int(reference[1])]).decode("latin-1")
    found: dict[int, str] = {}
    for part in re.findall(r"beginbfchar(.*?)endbfchar", cmap, re.DOTALL):
        for glyph, text in re.findall(r"<(\w+)>\s*<(\w+)>", part):
            found[int(glyph, 16)] = bytes.fromhex(text).decode("utf-16-be")
    for part in re.findall(r"beginbfrange(.*?)endbfrange", cmap, re.DOTALL):
        for first, last, text in re.findall(r"<(\w+)>\s*<(\w+)>\s*<(\w+)>", part):
            for step in range(int(last, 16) - int(first, 16) + 1):
                found[int(first, 16) + step] = chr(int(text, 16) + step)
    return found


def _unpacked(content: bytes) -> bytes:
    found = _STREAM.search(content)
    if found is None:
        return b""
    return zlib.decompressobj().decompress(found[1]) if b"/FlateDecode" in content[: found.start()] else found[1]
