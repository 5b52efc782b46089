"""What an encoding lacks is printed in ASCII."""

from __future__ import annotations

import sys
from io import TextIOWrapper

from lab2.foreign_text import PLAIN_ERRORS, register_plain


def print_plainly() -> None:
    """From here on, print in ASCII what the encoding of the terminal, or of the file, lacks."""
    register_plain()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a test, or a program that calls lab2, may have put another in place
            stream.reconfigure(errors=PLAIN_ERRORS)
