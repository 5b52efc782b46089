"""What a terminal shows as pictures of characters: intervals, curves; prose; and what it shows without UTF-8."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.cells import cell_len
from rich.console import Console

from lab2.report.bars import interval_bars
from lab2.report.report import make_report
from lab2.report.sparkline import sparkline
from lab2.report.terminal import interval_table, terminal_table
from lab2.results.collect import collect
from lab2.results.run_dir import RunDir
from lab2.results.shard import unfinished, write_shard
from tests.answered import answered
from tests.conftest import PATIENCE_S

ENDS = 0.9, 1 - 10**-1.5, 0.99  # a tenth of the images wrong, the middle of both on a scale of errors, a hundredth


def rows(*each: tuple[float, float, float] | None, trained: tuple[bool, ...] = ()) -> pd.DataFrame:
    """Rows with the lower end, the accuracy and the upper end; None: a row without an accuracy."""
    found = [one or (None, None, None) for one in each]
    frame = pd.DataFrame(found, columns=["accuracy_low", "accuracy", "accuracy_high"], dtype=float)
    effort = [None if fitted else "1 setting" for fitted in (not one for one in trained or (True,) * len(each))]
    return frame.assign(effort=effort, test_images=10_000)


class TestBars:
    def test_they_stand_where_the_scale_of_errors_says(self):
        """By hand: 23 characters, a twentieth of the scale free at both ends, so 1, 11 and 21."""
        scale, bars = interval_bars(rows(ENDS), 23)
        assert bars == [" ├─────────●─────────┤"]
        assert scale == "90%   95%     98%   99%"

    def test_a_baseline_below_the_scale_of_the_trained_rows_is_an_arrow(self):
        _, bars = interval_bars(rows(ENDS, (0.09, 0.1, 0.11), None, trained=(True, False, True)), 23)
        assert bars[1:] == ["◂", ""]

    def test_one_above_it_is_an_arrow_at_the_other_end(self):
        _, bars = interval_bars(rows(ENDS, (0.997, 0.998, 0.999), trained=(True, False)), 23)
        assert bars[1] == "▸".rjust(23)

    def test_an_interval_within_a_character_is_its_dot(self):
        _, bars = interval_bars(rows(ENDS, (0.989999, 0.99, 0.99)), 23)
        assert bars[1] == "●".rjust(22)


class TestSparkline:
    def test_eight_heights(self):
        assert sparkline([0.0, 0.124, 0.125, 0.5, 0.99, 1.0], 0.0, 1.0, 10) == "▁▁▂▅██"

    def test_of_many_values_the_first_and_the_last_are_drawn(self):
        assert sparkline([0.0, *[0.5] * 98, 1.0], 0.0, 1.0, 5) == "▁▅▅▅█"

    def test_a_curve_that_stays_the_same_is_no_error(self):
        assert sparkline([0.3, 0.3], 0.3, 0.3, 5) == "▁▁"
        assert sparkline([], 0.0, 1.0, 5) == ""


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    generator = np.random.default_rng(0)
    ease = generator.random(500)
    hard = {"cnn": 0.02, "vit": 0.3}
    return answered(tmp_path, {job: ease + generator.normal(0, 0.01, (3, 500)) > at for job, at in hard.items()})


class TestTable:
    @pytest.mark.parametrize("width", [50, 80, 100, 240])
    def test_intervals_and_groups_are_shown_once_at_any_width(self, run: RunDir, width: int):
        summary = make_report(run, collect(run)).summary
        console = Console(width=width, file=io.StringIO())
        console.print(terminal_table(summary, width)[0])
        if (below := interval_table(summary, width)) is not None:
            console.print(below)
        assert isinstance(console.file, io.StringIO)
        lines = console.file.getvalue().splitlines()
        assert all(len(line) <= width for line in lines)
        bars = [line.split() for line in lines if "●" in line]
        assert [(bar[0], {"a", "b"} & {*bar}) for bar in bars] == [("cnn", {"a"}), ("vit", {"b"})]


def command(run: RunDir, word: str) -> list[str]:
    return [sys.executable, "-m", "lab2.cli", word, run.path.name, "--runs", str(run.path.parent)]


def piped(run: RunDir, word: str, encoding: str) -> subprocess.CompletedProcess[bytes]:
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    environment["PYTHONIOENCODING"] = encoding
    return subprocess.run(command(run, word), capture_output=True, check=True, timeout=PATIENCE_S, env=environment)


@pytest.mark.parametrize(("word", "drawn"), [("report", b"o-"), ("status", b"ok")])
def test_without_utf8_all_is_ascii(run: RunDir, word: str, drawn: bytes):
    done = piped(run, word, "ascii")
    assert drawn in done.stdout
    assert (done.stdout + done.stderr).isascii()
    assert b"\x1b" not in done.stdout
    assert b"Traceback" not in done.stderr


def test_a_pipe_with_utf8_has_the_bars_and_no_escapes(run: RunDir):
    done = piped(run, "report", "utf-8")
    assert "●─" in done.stdout.decode()
    assert b"\x1b" not in done.stdout


def on_a_terminal(run: RunDir, word: str, columns: int = 80) -> str:
    """Both outputs, on a terminal that has asked for no colour."""
    ours, theirs = pty.openpty()
    wishes = {"NO_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": str(columns), "PYTHONIOENCODING": "utf-8"}
    environment = {**os.environ, **wishes}
    with subprocess.Popen(command(run, word), stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        pieces = []
        while piece := read(ours):
            pieces.append(piece)
    os.close(ours)
    assert process.returncode == 0
    return b"".join(pieces).decode()


def test_on_a_terminal_without_colour_there_is_none(run: RunDir):
    text = on_a_terminal(run, "report")
    assert "●" in text
    assert re.findall(r"\x1b\[[0-9;]*(?:3|4|9|10)[0-7]m", text) == []  # ECMA-48: the colours


@pytest.fixture
def wordy(run: RunDir) -> RunDir:
    """A run with a trial that failed for a long reason, in two kinds of letters."""
    trial = run.read_plan().trials[2]
    write_shard(run.shard(trial.name), unfinished(trial, "failed", " ".join(["disagreeable", "深層学習の比較"] * 9)))
    return run


@pytest.mark.parametrize("word", ["report", "status"])
def test_at_80_columns_each_line_fits_and_no_word_is_broken(wordy: RunDir, word: str):
    shown = re.sub(r"\x1b\[[0-9;]*m", "", on_a_terminal(wordy, word))
    lines = [line.rstrip() for line in shown.splitlines()]
    paths = [line for line in lines if cell_len(line) > 80]
    assert all(" " not in line.strip() for line in paths), paths
    done = piped(wordy, word, "utf-8")
    printed = (done.stdout + done.stderr).decode().splitlines()
    prose = [line for line in printed if re.search(r"\w", line) and "  " not in line.strip()]  # no table
    long = [line for line in prose if cell_len(line) > 80]
    assert any("disagreeable" in line for line in long)
    assert len(long) >= (5 if word == "report" else 1)
    text = " ".join(shown.split())
    assert [line for line in long if line not in text] == []


@pytest.mark.parametrize(("columns", "full"), [(None, True), ("70", False), ("0", True), ("wide", True)])
def test_the_table_in_a_pipe_is_as_wide_as_it_is_asked_to_be(run: RunDir, columns: str | None, full: bool):
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    environment |= {"PYTHONIOENCODING": "utf-8", **({"COLUMNS": columns} if columns else {})}
    done = subprocess.run(
        command(run, "report"), capture_output=True, check=True, timeout=PATIENCE_S, env=environment, text=True
    )
    (titles,) = [line for line in done.stdout.splitlines() if line.startswith(" model ") and "status" in line]
    (below,) = [line for line in done.stdout.splitlines() if line.startswith("no room for")] or [""]
    assert (below == "") == full
    assert (len(titles.rstrip()) > 70) == full
    assert ("ECE" in titles) == full


def read(terminal: int) -> bytes:
    """What it holds; empty at its end, which Linux reports as an error."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""
