"""The README's picture, drawn from what lab2 prints: `.venv/bin/python docs/pictures.py`, about a minute of training.

The command runs in a terminal of its own. What stands there at its end becomes an SVG that loads nothing: GitHub shows
no fonts from elsewhere.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text

DOCS = Path(__file__).parent
COLUMNS, ROWS = 122, 60  # of the terminal
TYPED = "make run-local QUICK=1"
RUNS = [sys.executable, "-m", "lab2.cli", "run-local", "--quick"]  # what the Makefile makes of it
_FONT_FACES = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def main() -> None:
    """Run, draw, and say where the picture is."""
    with tempfile.TemporaryDirectory() as folder:
        printed = in_terminal(RUNS, Path(folder))
    here = printed.replace(folder, "~/lab2").replace(str(Path.home()), "~")  # a reader's folders are others
    lines = last_screen(here.rstrip())
    picture = DOCS / "run-local.svg"
    picture.write_text(drawn([f"$ {TYPED}", *lines], TYPED))
    print(picture)


def in_terminal(command: list[str], folder: Path) -> str:
    """What `command`, run in `folder`, sends to a terminal. Raises `CalledProcessError` where it fails."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    environment = {**os.environ, "PYTHONPATH": str(DOCS.parent), "TERM": "xterm-256color"}
    process = subprocess.Popen(command, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    pieces = []
    while piece := _read(ours):
        pieces.append(piece)
    os.close(ours)
    if process.wait():
        raise subprocess.CalledProcessError(process.returncode, command, b"".join(pieces))
    return b"".join(pieces).decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 2**16)
    except OSError:  # Linux: the other end is closed
        return b""


def last_screen(printed: str) -> list[str]:
    """The lines that stand at the end, with their colours, where a live view goes up and erases what it shows anew."""
    lines, row = [""], 0
    for part in re.split(r"(\x1b\[[0-9;?]*[A-Za-z]|\r|\n)", printed):
        if part == "\n":
            row += 1
            lines += [""] * (row - len(lines) + 1)
        elif part.startswith("\x1b[") and part.endswith("A"):
            row -= int(part[2:-1] or 1)
        elif part.startswith("\x1b[") and part.endswith("K"):
            lines[row] = ""
        elif part != "\r" and (not part.startswith("\x1b[") or part.endswith("m")):
            lines[row] += part
    return lines


def drawn(lines: list[str], title: str) -> str:
    """The lines as SVG."""
    console = Console(record=True, width=COLUMNS, file=StringIO(), force_terminal=True)
    for line in lines:
        console.print(Text.from_ansi(line), soft_wrap=False)
    svg = console.export_svg(title=title, theme=DIMMED_MONOKAI)
    return _FONT_FACES.sub("", svg).replace("Fira Code", "Menlo, Consolas, DejaVu Sans Mono")


if __name__ == "__main__":
    main()
