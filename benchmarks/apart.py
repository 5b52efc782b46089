"""A measurement in a process of its own, for environment and memory are a process's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def measured_by(module: str, *words: str, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Run `benchmarks.<module>` with `words`; returns the JSON object of its last line.

    Raises `subprocess.CalledProcessError` where it fails; what it says of that is on the screen already.
    """
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{module}", *words],
        cwd=ROOT, env=environment or os.environ, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
