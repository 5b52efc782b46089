"""The step of CI that docs/compare-runs.md shows, run as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.answered import among, answered

PAGE = Path(__file__).parents[1] / "docs" / "compare-runs.md"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("after", "reference", "code", "said"),
    [
        (range(100, 1000), "a", 0, "not worse: cnn: the same predictions, bit for bit."),
        (range(200, 1000), "a", 1, "worse: cnn: a loss is shown"),
        (range(101, 1000), "a", 0, "warning: not decided"),
        (range(100, 1000), "c", 2, "no such run"),
    ],
    ids=["same", "worse", "not decided", "mistake"],
)
def test_the_step_fails_for_what_is_worse_and_for_a_mistake(
    after: range, reference: str, code: int, said: str, tmp_path: Path
):
    for name, right in (("a", range(100, 1000)), ("b", after)):
        answered(tmp_path / "runs", {"cnn": among(1000, right)[None]}, run_id=name)
    command = tmp_path / "bin" / "lab2"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m lab2.cli "$@"\n')
    command.chmod(0o755)
    (step,) = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    done = subprocess.run(
        ["sh", "-c", step],
        cwd=tmp_path,
        env=os.environ | {"PATH": f"{command.parent}:{os.environ['PATH']}", "REFERENCE": reference},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, said in done.stdout + done.stderr) == (code, True), done.stdout + done.stderr
