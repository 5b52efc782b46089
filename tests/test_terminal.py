"""What a terminal shows as pictures of characters: intervals, groups, curves; and what it shows without UTF-8."""

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
from rich.console import Console

from lab2.launch.status import TrialStatus
from lab2.report.bars import interval_bars
from lab2.report.live import live_table
from lab2.report.report import make_report
from lab2.report.sparkline import sparkline
from lab2.report.terminal import interval_table, terminal_table
from lab2.results.collect import collect
from lab2.results.curve_reader import CurveReader
from lab2.results.journal import Attempt, CurvePoint, Journal, Progress
from lab2.results.run_dir import RunDir
from tests.answered import answered
from tests.conftest import PATIENCE_S, make_run, make_trial

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


class TestLiveView:
    def point(self, epoch: int, accuracy: float) -> CurvePoint:
        return CurvePoint(
            epoch=epoch, images=epoch, loss=1.0, validation_accuracy=accuracy, validation_macro_f1=0.5, train_seconds=1
        )

    def shown(self, lines: list[TrialStatus], curves: dict[str, list[float]], width: int) -> list[str]:
        console = Console(width=width, file=io.StringIO())
        console.print(live_table(lines, curves, width))
        assert isinstance(console.file, io.StringIO)
        return console.file.getvalue().splitlines()

    def test_curves_have_one_scale_and_fit(self):
        now = Progress(state="training", epoch=3, epochs=5, loss=0.345, validation_accuracy=0.99, seconds_left=59)
        lines = [TrialStatus(name, "running", progress=now) for name in ("cnn-seed1", "vit-seed1")]
        curves = {"cnn-seed1": [0.9, 0.95, 1.0], "vit-seed1": [0.2, 0.4]}
        for width in (80, 100, 120):
            text = self.shown(lines, curves, width)
            assert all(len(line) <= width for line in text)
            assert "▇██" in text[1]
            assert "▁▃" in text[2]

    def test_without_room_there_is_the_bar_alone(self):
        name = "a_name_of_twenty_six-seed1"
        text = self.shown([TrialStatus(name, "ok")], {name: [0.1, 0.9]}, 75)
        assert "curve" not in text[0]
        assert re.fullmatch(rf"{name}  ok  +━+ *", text[1])

    def test_bars_give_way_to_what_is_long(self):
        now = Progress(state="measuring", epoch=2.11, epochs=2.11, loss=1.234, validation_accuracy=0.99, seconds_left=0)
        lines = [TrialStatus("logistic_regression-seed1", "running", progress=now), TrialStatus("b", "cancelled")]
        text = self.shown(lines, {"b": [0.5]}, 80)
        assert all(word in text[1] for word in ("logistic_regression-seed1", "2.11/2.11", "1.234", "99.00%", "0:00"))

    def test_a_curve_is_read_again_when_it_has_grown(self, tmp_path: Path):
        run = make_run(tmp_path, trial := make_trial())
        reader = CurveReader(run)
        assert reader.read(trial.name) == []
        journal = Journal(run, trial.name)
        attempt = Attempt(job_id=None, host="here", step=0, started_at="2026-01-01T00:00:00")
        journal.begin(attempt, [self.point(1, 0.5)])
        assert reader.validation([trial.name]) == {trial.name: [0.5]}
        journal.add(self.point(2, 0.75))
        assert reader.validation([trial.name]) == {trial.name: [0.5, 0.75]}


def command(run: RunDir, word: str) -> list[str]:
    return [sys.executable, "-m", "lab2.cli", word, run.path.name, "--runs", str(run.path.parent)]


def piped(run: RunDir, word: str, encoding: str) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
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


def test_on_a_terminal_without_colour_there_is_none(run: RunDir):
    ours, theirs = pty.openpty()
    wishes = {"NO_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": "80", "PYTHONIOENCODING": "utf-8"}
    with subprocess.Popen(command(run, "report"), stdout=theirs, env={**os.environ, **wishes}) as process:
        os.close(theirs)
        pieces = []
        while piece := read(ours):
            pieces.append(piece)
    os.close(ours)
    text = b"".join(pieces).decode()
    assert process.returncode == 0
    assert "●" in text
    assert re.findall(r"\x1b\[[0-9;]*(?:3|4|9|10)[0-7]m", text) == []  # ECMA-48: the colours


def read(terminal: int) -> bytes:
    """What it holds; empty at its end, which Linux reports as an error."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""
