"""What axe-core finds in a page. Source: axe-core 4.10 (Deque Systems), which has the rules of WCAG 2.2; from npm."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from tests.browser import Browser, unavailable
from tests.conftest import PATIENCE_S

AXE = "axe-core@4.10.3"


def violations(shown: Browser) -> list[Any]:
    """Of the page as it stands: the rule, how often, the first element and why."""
    shown.run(_source())
    found: list[Any] = shown.run_async(
        "const done = arguments[arguments.length - 1]; axe.run(document, {resultTypes: ['violations']})"
        ".then(r => done(r.violations.map(v => ("
        "[v.id, v.nodes.length, v.nodes[0].html.slice(0, 200), v.nodes[0].failureSummary]))))"
    )
    return found


@cache
def _source() -> str:
    """The text of axe-core. Skips the test where npm is not here or does not bring it; in CI it fails."""
    if shutil.which("npm") is None:
        unavailable("no npm here; the page's accessibility is not checked")
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["npm", "pack", "--silent", AXE],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )
        if done.returncode:
            unavailable(f"npm pack {AXE}: {done.stderr.strip()[-200:]}; the page's accessibility is not checked")
        with tarfile.open(next(Path(folder).glob("*.tgz"))) as archive:
            file = archive.extractfile("package/axe.min.js")
            assert file is not None
            return file.read().decode()
