"""What all pages of lab2 have in common: templates that escape, and a policy that allows nothing else.

Source: Content Security Policy Level 3 (W3C), 2.3.1 (hashes of inline elements).
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from pathlib import Path

import jinja2
from markupsafe import Markup

from lab2.foreign_text import for_terminal


def environment(folder: Path) -> jinja2.Environment:
    """The templates of a folder. All text is escaped, and what cannot be seen is written out."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        finalize=_visible,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def policy(script: str, style: str, *more: str) -> str:
    """The content security policy of a page with this script and this style in it; `more` are directives of its own.

    The page may load pictures that it holds, and nothing from elsewhere.
    """
    own = f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; img-src data:"
    return "; ".join((own, *more, "base-uri 'none'", "form-action 'none'"))


def _visible(value: object) -> object:
    return for_terminal(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _digest(text: str) -> str:
    """As a CSP names what stands in the page."""
    return f"sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
