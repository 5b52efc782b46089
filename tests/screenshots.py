"""`make screenshots`: pages of all kinds as pictures, in light and dark, for a phone and a desktop. Needs Chromium.

Tests find overflow and errors; whether a page looks well, people see here. The folder should not be in the repository.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.browser import browser, missing
from tests.page_kinds import RUNS, Pages

WIDTHS = (360, 1440)  # pixels


def main(folder: Path) -> None:
    """Write the pictures into `folder`. Raises `SystemExit` without Chromium."""
    if missing():
        raise SystemExit(f"no {' and no '.join(missing())} here (Debian: apt install chromium chromium-driver)")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made, browser(Path(made)) as shown:
        pages = Pages(Path(made))
        for kind in RUNS:
            for width in WIDTHS:
                for dark in (False, True):
                    shown.open(pages[kind], width=width, dark=dark)
                    picture = folder / f"{kind.replace(' ', '-')}-{width}-{'dark' if dark else 'light'}.png"
                    shown.picture(picture)
                    print(picture)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
