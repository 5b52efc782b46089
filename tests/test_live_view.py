"""The live view of a run: what it shows where not all of it fits into the terminal."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from lab2.launch.status import TrialStatus
from lab2.report.live import clock, clock_with_unit, live_table
from lab2.results.curve_reader import CurveReader
from lab2.results.journal import Attempt, CurvePoint, Journal, Progress
from tests.conftest import make_run, make_trial

TRAINING = Progress(state="training", epoch=3, epochs=5, loss=0.345, validation_accuracy=0.99, seconds_left=59)
MEASURING = Progress(
    state="measuring", epoch=2.11, epochs=2.11, loss=1.234, validation_accuracy=0.99, seconds_left=36_000
)


def shown(
    lines: list[TrialStatus], curves: dict[str, list[float]] | None = None, width: int = 80, height: int | None = None
) -> list[str]:
    console = Console(width=width, file=io.StringIO())
    console.print(live_table(lines, curves, width, height))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def point(epoch: int, accuracy: float) -> CurvePoint:
    return CurvePoint(
        epoch=epoch, images=epoch, loss=1.0, validation_accuracy=accuracy, validation_macro_f1=0.5, train_seconds=1
    )


class TestWidth:
    def test_curves_have_one_scale_and_fit(self):
        lines = [TrialStatus(name, "running", progress=TRAINING) for name in ("cnn-seed1", "vit-seed1")]
        curves = {"cnn-seed1": [0.9, 0.95, 1.0], "vit-seed1": [0.2, 0.4]}
        for width in (80, 100, 120):
            text = shown(lines, curves, width)
            assert all(len(line) <= width for line in text)
            assert "▇██" in text[1]
            assert "▁▃" in text[2]

    def test_without_room_there_is_the_bar_alone(self):
        name = "a_name_of_twenty_six-seed1"
        text = shown([TrialStatus(name, "ok")], {name: [0.1, 0.9]}, 75)
        assert "curve" not in text[0]
        assert re.fullmatch(rf"{name}  ok  +━+ *", text[1])

    def test_bars_give_way_to_what_is_long(self):
        lines = [TrialStatus("logistic_regression-seed1", "running", progress=MEASURING), TrialStatus("b", "cancelled")]
        text = shown(lines, {"b": [0.5]}, 80)
        words = ("logistic_regression-seed1", "2.11/2.11", "1.234", "99.00%", "10:00:00")
        assert all(word in text[1] for word in words)

    @pytest.mark.parametrize(
        ("width", "left_out"),
        [  # by hand: 25 characters of the name, then 2 and 9, 9, 8, 10, 12 and 5 of the others by their rank
            (40, ["node", "epoch", "loss", "validation", "left"]),
            (46, ["node", "epoch", "loss", "validation"]),
            (57, ["node", "loss", "validation"]),
            (80, ["node"]),
            (82, ["node"]),
            (83, ["loss"]),
            (90, []),
            (130, []),
        ],
    )
    def test_on_slurm_nothing_is_cut_and_what_is_left_out_is_said(self, width: int, left_out: list[str]):
        names = ("logistic_regression-seed1", "commonest_class-seed1", "cnn-seed1")
        lines = [TrialStatus(name, "running", progress=MEASURING, node="gpu-node-017") for name in names]
        text = shown(lines, {name: [0.5, 0.75, 0.99] for name in names}, width)
        assert all(cell_len(line) <= width for line in text)
        assert "…" not in "".join(text)
        cells = {
            "trial": names[0], "state": "measuring", "node": "gpu-node-017", "epoch": "2.11/2.11", "loss": "1.234",
            "validation": "99.00%", "left": "10:00:00",
        }  # fmt: skip
        in_table = [title for title in text[0].split() if title != "curve"]
        assert in_table == [title for title in cells if title not in left_out]
        assert all(cells[title] in text[1].split() for title in in_table)
        said = " ".join(" ".join(text[4:]).split())
        assert said == (f"no room for: {', '.join(left_out)}" if left_out else "")

    def test_a_name_that_is_longer_than_the_line_goes_on_in_the_next(self):
        name = "n" * 64 + "-seed1"
        text = shown([TrialStatus(name, "running", progress=TRAINING)], width=50)
        assert all(len(line) <= 50 for line in text)
        assert "".join(line.split()[0] for line in text[1:3]) == name


class TestHeight:
    def lines(self, finished: int, running: int, waiting: int, reason: str = "") -> list[TrialStatus]:
        """In the order in which they are started, one of those that have finished being lost."""
        states = ["ok"] * finished + ["running"] * running + ["waiting"] * waiting
        lines = [TrialStatus(f"cnn-seed{number}", state, progress=None) for number, state in enumerate(states)]
        lines[0] = TrialStatus("cnn-seed0", "lost", reason)
        return lines

    def test_trials_that_run_are_seen_before_those_that_have_finished(self):
        text = shown(self.lines(100, 3, 50, "why"), height=24)
        assert len(text) <= 24
        assert [line.split()[1] for line in text if " running" in line and "seed" in line] == ["running"] * 3
        assert text[1].split()[:2] == ["cnn-seed0", "lost"]
        assert "cnn-seed0: why" in text
        assert text[-1] == "134 more trials: 84 ok, 50 waiting; lab2 status has all"
        assert "cnn-seed99 " in "\n".join(text)  # of those that have finished the newest

    def test_all_is_shown_where_it_fits(self):
        text = shown(self.lines(10, 2, 3, "why"), height=24)
        assert len(text) == 1 + 15 + 1
        assert "more" not in text[-1]

    @pytest.mark.parametrize("height", [5, 10, 24, 50])
    @pytest.mark.parametrize("words", [0, 4, 60, 600])
    def test_no_line_is_below_the_screen(self, height: int, words: int):
        reason = " ".join(["word"] * words)
        lines = [*self.lines(20, 2, 9, reason), *(TrialStatus(f"vit-seed{n}", "failed", reason) for n in range(30))]
        text = shown(lines, height=height)
        assert len(text) <= height
        assert sum(bool(re.search(r"seed\d+ +running", line)) for line in text) == min(2, height - 4)
        reasons = sum(line.startswith(("cnn-seed0:", "vit-seed")) and ":" in line.split()[0] for line in text)
        rows = sum(bool(re.match(r"(cnn|vit)-seed\d+ ", line)) for line in text)
        wrong = sum(bool(re.match(r"(cnn|vit)-seed\d+ +(lost|failed)", line)) for line in text)
        below = " ".join(text[1 + rows :])
        assert f"{len(lines) - rows} more trials: " in below
        said = re.search(r"; (\d+) more reasons?;", below)
        assert (int(said[1]) if said else 0) == (wrong - reasons if words else 0)


def test_a_curve_is_read_again_when_it_has_grown(tmp_path: Path):
    run = make_run(tmp_path, trial := make_trial())
    reader = CurveReader(run)
    assert reader.read(trial.name) == []
    journal = Journal(run, trial.name)
    attempt = Attempt(job_id=None, host="here", step=0, started_at="2026-01-01T00:00:00")
    journal.begin(attempt, [point(1, 0.5)])
    assert reader.validation([trial.name]) == {trial.name: [0.5]}
    journal.add(point(2, 0.75))
    assert reader.validation([trial.name]) == {trial.name: [0.5, 0.75]}


@pytest.mark.parametrize(
    ("seconds", "said", "with_unit"),
    [
        (0, "0:00", "0:00 min"),
        (59.4, "0:59", "0:59 min"),
        (3599.4, "59:59", "59:59 min"),
        (3599.6, "1:00:00", "1:00:00 h"),
        (36_000, "10:00:00", "10:00:00 h"),
        (90_061, "25:01:01", "25:01:01 h"),
    ],
)
def test_from_an_hour_on_a_time_has_hours(seconds: float, said: str, with_unit: str):
    assert (clock(seconds), clock_with_unit(seconds)) == (said, with_unit)
