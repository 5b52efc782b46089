"""Text that lab2 did not write: seen, and not obeyed, by terminals, spreadsheets and Markdown."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from markdown_it import MarkdownIt

from lab2 import cli
from lab2.launch.batch import ExitNote, read_exit_notes
from lab2.launch.logs import last_lines
from lab2.launch.scheduler import JobState
from lab2.launch.verdict import Evidence, decide
from lab2.report.report import make_report
from lab2.report.writers import markdown
from lab2.results.collect import collect
from lab2.results.run_dir import RunDir
from lab2.results.shard import Shard, read_shard, unfinished, write_shard
from lab2.spec.job import Trial
from tests.conftest import PATIENCE_S, finished, make_run, make_trial

CLEAR, TITLE, C1 = "\x1b[2J", "\x1b]0;owned\x07", "\x9b31m"
OVERRIDE = "\u202e"  # from here on from right to left
FORMULA = '=cmd("calc")'
NASTY = (
    f"{FORMULA}{CLEAR}{TITLE}{C1}{OVERRIDE} a|b `c` <script>d</script> [e](http://f.example) :warning:\nsecond\tline"
)
SHOWN = (
    r'=cmd("calc")\x1b[2J\x1b]0;owned\x07\x9b31m\u202e a|b `c` <script>d</script> [e](http://f.example) :warning:'
    r"\nsecond\tline"
)
UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")  # Unicode's categories of what has no form of its own
OBEYED = (CLEAR, TITLE, C1, OVERRIDE, "\x07", "\x9b")


def write_raw(path: Path, trial: Trial, **foreign: object) -> None:
    """A shard as another program would write it, with its checksum: the text is not lab2's."""
    row = {**asdict(unfinished(trial, "failed", "")), **foreign}
    digest = hashlib.sha256(json.dumps(row, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    path.write_text(json.dumps({"sha256": digest, "row": row}))


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """A good trial, and one whose shard says what nobody should obey."""
    good, bad = make_trial("cnn"), make_trial("vit")
    run = make_run(tmp_path, good, bad)
    write_shard(run.shard(good.name), finished(good, parameters=454922))
    write_raw(run.shard(bad.name), bad, reason=NASTY, host=FORMULA, weights=f"@{CLEAR}")
    return run


@pytest.fixture
def run_cli(monkeypatch: pytest.MonkeyPatch, capsys) -> Callable[..., tuple[int, str, str]]:
    """The CLI in this process: exit code, output, errors."""

    def ask(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lab2", *words])
        code = 0
        try:
            cli.main()
        except SystemExit as leave:
            code = int(leave.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return ask


class TestEntries:
    def test_a_shard(self, run: RunDir):
        assert read_shard(run.shard("vit-seed1")).reason == SHOWN

    @pytest.mark.parametrize("reason", ["x" * 10**6, "\ud800", "\x00"], ids=["long", "half", "null"])
    def test_any_reason_can_be_written_and_read(self, tmp_path: Path, reason: str):
        shard = unfinished(make_trial(), "failed", reason)
        write_shard(tmp_path / "a.json", shard)
        assert read_shard(tmp_path / "a.json") == shard

    def test_a_note_of_an_exit(self, tmp_path: Path):
        run = make_run(tmp_path, make_trial())
        (run.exits / "7.0.json").write_text(json.dumps({"exit_code": 1, "node": CLEAR, "why": "a\nb"}))
        assert read_exit_notes(run)["7"] == ExitNote(exit_code=1, node=r"\x1b[2J", why=r"a\nb")

    def test_the_schedulers_words(self):
        failed = JobState(state="FAILED", reason=CLEAR, node=f"n1{OVERRIDE}")
        state, reason = decide(Evidence(job_id="7", job_state=failed))
        assert (state, reason) == ("failed", r"job 7 failed on n1\u202e (\x1b[2J)")

    def test_the_end_of_a_log(self, tmp_path: Path):
        trial = make_trial()
        run = make_run(tmp_path, trial)
        run.logs(trial.name).mkdir()
        (run.logs(trial.name) / "1_0_log.out").write_text(f"first\n{CLEAR}last\n")
        assert last_lines(run, trial) == ["first", r"\x1b[2Jlast"]

    def test_rows_that_were_kept_with_other_text_are_read_anew(self, run: RunDir):
        collect(run)
        kept = pq.read_table(run.collected)
        column = kept.schema.get_field_index("reason")
        nasty = pa.array([NASTY if reason else "" for reason in kept["reason"].to_pylist()])
        pq.write_table(
            kept.set_column(column, "reason", nasty).replace_schema_metadata(kept.schema.metadata), run.collected
        )
        assert [row.reason for row in collect(run).rows] == ["", SHOWN]

    def test_the_name_of_a_stranger_among_the_shards(self, run: RunDir):
        (run.shards / f"{CLEAR}\n.json").write_text("")
        (warning,) = collect(run).warnings
        assert r"\x1b[2J\n.json: the plan expects no such shard" in warning

    def test_a_question_of_a_job(self, tmp_path: Path, run_cli):
        text = f'"""Which {CLEAR}{OVERRIDE}one?"""\nfrom lab2.spec.architectures import CNNConfig\n'
        text += 'from lab2.spec.job import JobSpec\nJOB = JobSpec(name="a", model=CNNConfig())\n'
        (tmp_path / "jobs").mkdir()
        (tmp_path / "jobs" / "a.py").write_text(text)
        code, said, _ = run_cli("jobs", "--jobs", f"{tmp_path}/jobs/")
        assert code == 0
        assert r"Which \x1b[2J\u202eone?" in said

    def test_an_error_of_a_users_code_is_one_line(self, tmp_path: Path, run_cli):
        (tmp_path / "jobs").mkdir()
        (tmp_path / "jobs" / "a.py").write_text(f"raise ValueError({'first' + CLEAR + chr(10) + 'second'!r})\n")
        code, _, said = run_cli("jobs", "--jobs", f"{tmp_path}/jobs/")
        assert code == 2
        assert said.count("\n") == 1
        assert r"ValueError: first\x1b[2J\nsecond" in said.replace("\n", " ")

    def test_the_id_of_a_run(self, run: RunDir, run_cli):
        run.plan.write_text(run.plan.read_text().replace('"run_id": "run"', '"run_id": "a\\u001b[2J\\nb"'))
        _, said, _ = run_cli("status", "run", "--runs", str(run.path.parent))
        assert said.splitlines()[0] == r"run a\x1b[2J\nb"


def in_a_terminal(*words: str) -> str:
    """What the CLI writes to a terminal of 300 columns."""
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "300"}
    env.pop("NO_COLOR", None)
    with subprocess.Popen([sys.executable, "-m", "lab2.cli", *words], stdout=theirs, stderr=theirs, env=env) as process:
        os.close(theirs)
        said = b""
        try:
            while piece := os.read(ours, 65536):
                said += piece
        except OSError:  # Linux's way to say that the other side is closed
            pass
        assert process.wait(60) == 0, said.decode()
    os.close(ours)
    return said.decode()


class TestReport:
    @pytest.mark.parametrize("command", ["report", "status"])
    @pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "pipe"])
    def test_nothing_is_obeyed_and_all_is_shown(self, run: RunDir, command: str, terminal: bool):
        words = (command, "run", "--runs", str(run.path.parent))
        if terminal:
            said = in_a_terminal(*words)
            assert "\x1b[" in said  # colours of lab2's own
        else:
            done = subprocess.run(
                [sys.executable, "-m", "lab2.cli", *words],
                capture_output=True,
                text=True,
                check=True,
                timeout=PATIENCE_S,
            )
            said = done.stdout + done.stderr
            assert "\x1b" not in said
        assert not [text for text in OBEYED if text in said]
        assert SHOWN in " ".join(said.split()) or SHOWN in said.replace("\r\n", "").replace("\n", "")

    def test_spreadsheets_get_text_and_programs_their_numbers(self, run: RunDir, run_cli):
        run_cli("report", "run", "--runs", str(run.path.parent))
        for name, column in (("table.csv", "job"), ("trials.csv", "job")):
            text = (run.report / name).read_text()
            rows = {row[column]: row for row in csv.DictReader(io.StringIO(text))}
            assert rows["vit"]["reason"] == f"'{SHOWN}"
            assert not [cell for row in rows.values() for cell in row.values() if cell[:1] in tuple("=+@\t\r")]
            frame = pd.read_csv(io.StringIO(text)).set_index(column)
            assert frame.loc["cnn", "parameters"] == 454922
            assert pd.api.types.is_numeric_dtype(frame["accuracy"])
            assert len(frame) == 2
        trials = pd.read_csv(run.report / "trials.csv").set_index("job")
        assert trials.loc["vit", "host"] == f"'{FORMULA}"
        assert trials.loc["vit", "weights"] == r"'@\x1b[2J"
        assert pd.isna(trials.loc["cnn", "weights"])

    def test_a_negative_number_stays_one(self, tmp_path: Path):
        trial = make_trial()
        run = make_run(tmp_path, trial)
        write_shard(run.shard(trial.name), finished(trial, accuracy=-0.5))
        (row,) = csv.DictReader(io.StringIO(collect(run).csv().decode()))
        assert row["accuracy"] == "-0.5"

    def test_markdown_is_one_table_and_one_list(self, run: RunDir):
        text = markdown(make_report(run, collect(run)))
        html = MarkdownIt("gfm-like", {"linkify": False}).render(text)
        assert html.count("<table>") == html.count("<ul>") == 1
        assert html.count("<tr>") == 3
        assert not [tag for tag in ("<a ", "<code", "<script", "<em", "<img") if tag in html]
        assert not [text for text in OBEYED if text in html]
        assert r"\x1b[2J\x1b]0;owned\x07" in html

    def test_json_gives_the_text_back(self, run: RunDir, run_cli):
        run_cli("report", "run", "--runs", str(run.path.parent))
        rows = json.loads((run.report / "table.json").read_text())
        assert [row["reason"] for row in rows] == ["", SHOWN]

    def test_half_a_character_ends_nothing(self, run: RunDir, run_cli):
        write_raw(run.shard("vit-seed1"), make_trial("vit"), reason="a\ud800b")
        code, said, _ = run_cli("report", "run", "--runs", str(run.path.parent))
        assert code == 0
        assert r"a\ud800b" in said


class TestLogs:
    def test_a_log_keeps_its_lines_and_cannot_repaint(self, tmp_path: Path, run_cli):
        trial = make_trial()
        run = make_run(tmp_path, trial)
        run.logs(trial.name).mkdir()
        text = f"one\ttwo\n{CLEAR}{TITLE}three [bold]four[/bold] :warning:\n{OVERRIDE}five\n"
        (run.logs(trial.name) / "1_0_log.out").write_text(text)
        code, said, _ = run_cli("logs", trial.name, "--run", "run", "--runs", str(tmp_path))
        assert code == 0
        assert said == "one\ttwo\n\\x1b[2J\\x1b]0;owned\\x07three [bold]four[/bold] :warning:\n\\u202efive\n"


def test_the_log_of_a_trial_in_the_foreground_cannot_repaint():
    code = f"""
import logging
from lab2.cli.screen import show_log
show_log()
try:
    raise ValueError({CLEAR!r})
except ValueError:
    logging.getLogger("lab2").exception({TITLE!r})
logging.getLogger("lab2").info("seen")
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr
    assert r"\x1b]0;owned\x07" in said
    assert r"ValueError: \x1b[2J" in said
    assert "\nTraceback" in said
    assert said.endswith("seen\n")
    assert "\x1b" not in said


def test_a_shard_is_what_it_was_where_there_is_nothing_to_show():
    shard: Shard = finished(make_trial(), host="n1", device_name="AMD EPYC – 7B13")
    assert replace(shard) == shard
    assert shard.device_name == "AMD EPYC – 7B13"
