"""Runs a measurement in a process of its own, with its own environment and memory."""

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
    """Run `python -m benchmarks.<module>` with `words`; returns the JSON object in the last line of its output.

    Raises `subprocess.CalledProcessError` where it fails; its own error message is on standard error.
    """
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{module}", *words],
        cwd=ROOT, env=environment or os.environ, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result
