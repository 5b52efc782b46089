"""A command imports what it needs: what is counted are modules, and not seconds, which differ between machines."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lab2.cli.command import whole_command
from lab2.cli.listing import COMMANDS
from lab2.compare.root import root
from lab2.measure.predictions import Predictions, write_predictions
from lab2.results.run_dir import RunDir
from lab2.results.shard import write_shard
from tests.conftest import finished, make_run, make_trial

HEAVY = ("numpy", "pandas", "pyarrow", "pydantic", "scipy", "jinja2", "PIL", "sklearn", "torch", "submitit")
STATEMENT = """
import sys
from lab2.cli import main
try:
    main()
finally:
    print(*sys.modules, file=sys.stderr)
"""


def imported_by(*words: str) -> set[str]:
    """The modules that a command has imported when it ends."""
    done = subprocess.run(
        [sys.executable, "-c", STATEMENT, *words], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.strip().splitlines()[-1].split())


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """A run of two jobs, two seeds each, with predictions for 40 images."""
    trials = [make_trial(job, seed=seed) for job in ("cnn", "vit") for seed in (1, 2)]
    run = make_run(tmp_path, *trials)
    truth = np.arange(40) % 10
    for number, trial in enumerate(trials):
        answers = np.where(np.arange(40) % (number + 3), truth, (truth + 1) % 10)
        right = float((answers == truth).mean())
        shares = np.eye(10, dtype=np.float32)[answers]
        write_predictions(run.predictions(trial.name), Predictions(truth, answers, shares, np.arange(40)))
        write_shard(run.shard(trial.name), finished(trial, right, test_images=40, classes=10))
    return run


@pytest.mark.parametrize("words", [("--help",), ("--version",)])
def test_the_help_imports_none_of_the_libraries_that_a_command_may_need(words: tuple[str, ...]):
    found = imported_by(*words)
    assert {name for name in HEAVY if name in found} == set()
    assert {name for name in found if name.startswith("lab2.cli.")} <= {
        "lab2.cli.command", "lab2.cli.listing", "lab2.cli.plain", "lab2.cli.screen",
    }  # fmt: skip


def test_the_status_imports_neither_pandas_nor_scipy_nor_a_reader_of_data(run: RunDir):
    found = imported_by("status", "--runs", str(run.path.parent))
    assert {name for name in HEAVY if name in found} <= {"pydantic", "numpy"}
    assert "lab2.data.places" not in found


def test_a_report_imports_only_what_compares(run: RunDir):
    found = imported_by("report", "--runs", str(run.path.parent))
    assert "lab2.compare.comparison" in found
    assert {"scipy.stats", "scipy.optimize", "scipy.io", "sklearn", "torch", "submitit"} & found == set()


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_each_command_says(name: str):
    listed, whole = COMMANDS[name], whole_command(name)
    assert (listed.summary, listed.hidden) == (whole.help.splitlines()[0], whole.hidden)


def test_the_root_is_that_of_scipys_method():
    from scipy.optimize import brentq

    def steep(x: float) -> float:
        return float(np.exp(-x) - 0.3)

    assert root(steep, 0, 36, within=1e-12) == pytest.approx(brentq(steep, 0, 36, xtol=1e-14), abs=2e-12)
    assert root(lambda x: x**3 - 2, 0, 2, within=1e-9) == pytest.approx(2 ** (1 / 3), abs=2e-9)
    assert root(lambda x: x - 1, 1, 3, within=1e-9) == 1
