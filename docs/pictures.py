"""The README's pictures: `.venv/bin/python -m docs.pictures`, some minutes of training; needs Chromium.

`run-local.svg` is what lab2 prints. The command runs in a terminal of its own, and what stands there at its end becomes
an SVG that loads nothing: GitHub shows no fonts from elsewhere. `page.png` is the beginning of the page of another
small run, as Chromium shows it.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
from io import StringIO
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text

DOCS = Path(__file__).parent
COLUMNS, ROWS = 122, 60  # of the terminal
TYPED = "make run-local QUICK=1"
LAB2 = [sys.executable, "-m", "lab2.cli"]
RUNS = [*LAB2, "run-local", "--quick"]  # what the Makefile makes of it
# A run whose page compares rows: no smoke run, but on a few images.
COMPARES = [
    *LAB2,
    *("run-local", "--seeds", "3", "--set", "data.train_images=3000"),
    *("--set", "data.validation_images=1000", "--set", "data.test_images=2000", "--set", "train.epochs=2"),
]
WIDE, LONGEST = 1280, 2100  # pixels of the page's picture
MOST_BYTES = 300_000  # of it
_FONT_FACES = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def main() -> None:
    """Run, draw, and say where the pictures are."""
    print(terminal())
    print(page())


def terminal() -> Path:
    """Draw what `RUNS` prints."""
    with tempfile.TemporaryDirectory() as folder:
        printed = in_terminal(RUNS, Path(folder))
    here = printed.replace(folder, "~/lab2").replace(str(Path.home()), "~")  # a reader's folders are others
    lines = last_screen(here.rstrip())
    picture = DOCS / "run-local.svg"
    picture.write_text(drawn([f"$ {TYPED}", *lines], TYPED))
    return picture


def page() -> Path:
    """Draw the page of `COMPARES`. Raises `SystemExit` without Chromium, or where the picture is too large."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        raise SystemExit("docs/page.png is drawn by Chromium, which is not here (Debian: apt install chromium)")
    with tempfile.TemporaryDirectory() as folder:
        in_terminal(COMPARES, Path(folder))
        shown, shot = Path(folder, "runs", "latest", "report", "index.html").resolve(), Path(folder, "page.png")
        words = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--screenshot={shot}"]
        size = f"--window-size={WIDE},{2 * LONGEST}"
        subprocess.run([browser, *words, size, shown.as_uri()], check=True, capture_output=True)
        with Image.open(shot) as whole:
            beginning = whole.convert("RGB").crop((0, 0, WIDE, ends_at(whole.convert("L"), LONGEST)))
    picture = DOCS / "page.png"
    beginning.save(picture, optimize=True)
    if picture.stat().st_size > MOST_BYTES:
        raise SystemExit(f"{picture}: {picture.stat().st_size:,} bytes, where {MOST_BYTES:,} are the most")
    return picture


def ends_at(page: Image.Image, longest: int) -> int:
    """The row of a grey picture of a page where it can be cut: in the middle of the last gap within `longest`.

    A gap, as between two sections, is a band without a mark that is nearly as high as the highest in the lower half.
    """
    pixels = np.asarray(page)[:longest]
    plain = (pixels == pixels[:, :1]).all(1)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], plain.astype(np.int8), [0]])))
    bands = [(int(first), int(last)) for first, last in edges.reshape(-1, 2) if first > longest // 2]
    if not bands:
        return len(pixels)
    highest = max(last - first for first, last in bands)
    return next((first + last) // 2 for first, last in reversed(bands) if last - first >= 0.75 * highest)


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
