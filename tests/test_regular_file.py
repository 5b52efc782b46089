"""What lies in a run may be a FIFO, a device, a directory or without end: each reader says so, and none waits for it.

A reader that waits would wait for ever: the timeout is what fails then.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab2 import cli
from lab2.cli.screen import gather
from lab2.data.places import open_source
from lab2.errors import DataError, RunError, ShardError, WeightsError
from lab2.file_lock import held, holder, is_held
from lab2.launch.batch import read_exit_notes
from lab2.launch.logs import last_lines, read_log
from lab2.launch.scheduler import Answer
from lab2.launch.scheduler import _read_saved as read_scheduler
from lab2.launch.slurm import read_run_profile
from lab2.launch.status import status, trial_status
from lab2.launch.submission import read_submissions
from lab2.measure.predictions import read_predictions
from lab2.models.building.weights import read_weights_metadata
from lab2.regular_file import clear_path
from lab2.results.collect import collect
from lab2.results.journal import Attempt, CurvePoint, Journal, read_attempts, read_history, read_progress
from lab2.results.run_dir import RunDir, open_run
from lab2.results.shard import read_shard, write_shard
from lab2.results.shard_table import read_cache
from lab2.spec.job import DataConfig, Trial
from lab2.train.checkpoint import load_checkpoint
from tests.conftest import finished, make_run, make_trial
from tests.test_local import lab2

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="LOUD: no FIFOs on this system"),
]

SPARSE_BYTES = 3 * 10**9  # more than is sane for any of these, and no place on the disk


def fifo(path: Path) -> None:
    os.mkfifo(path)


def directory(path: Path) -> None:
    path.mkdir()


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def dangling(path: Path) -> None:
    path.symlink_to(path.parent / "nothing")


def circle(path: Path) -> None:
    path.symlink_to(path.name)


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(SPARSE_BYTES)


def a_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # a socket's name has room for 108 characters
    try:
        socket.socket(socket.AF_UNIX).bind(path.name)
    finally:
        os.chdir(here)


KINDS: dict[Callable[[Path], None], str] = {
    fifo: "a FIFO, wanted a regular file",
    directory: "a directory, wanted a regular file",
    device: "a device, wanted a regular file",
    dangling: "a link to what is not there",
    circle: "a link that leads in a circle",
    sparse: "3,000,000,000 bytes or more, wanted",
    a_socket: "a socket or a device, wanted a regular file",
}
kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
TRIAL = make_trial()
NAME = TRIAL.name


def put(kind: Callable[[Path], None], path: Path) -> Path:
    """Something of that kind at `path`."""
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    kind(path)
    return path


@dataclass(frozen=True)
class Reader:
    """What reads a file of a run, where that lies, and what comes of one that is none: a value, or an error."""

    path: Callable[[RunDir], Path]
    read: Callable[[RunDir], object]
    gives: object = None
    error: type[Exception] | None = None


READERS = {
    "shard": Reader(lambda run: run.shard(NAME), lambda run: read_shard(run.shard(NAME)), error=ShardError),
    "plan": Reader(lambda run: run.plan, lambda run: run.read_plan(), error=RunError),
    "run": Reader(lambda run: run.plan, lambda run: open_run(run.path.parent, "run").read_plan(), error=RunError),
    "progress": Reader(lambda run: run.progress(NAME), lambda run: read_progress(run, NAME)),
    "history": Reader(lambda run: run.history(NAME), lambda run: read_history(run, NAME), gives=[]),
    "attempts": Reader(lambda run: run.attempts(NAME), lambda run: read_attempts(run, NAME), gives=[]),
    "exits": Reader(lambda run: run.exits / "7.0.json", read_exit_notes, gives={}),
    "submission": Reader(lambda run: run.submissions / "7.json", read_submissions, error=RunError),
    "scheduler": Reader(lambda run: run.scheduler, read_scheduler, gives=Answer()),
    "profile": Reader(lambda run: run.profile, read_run_profile, error=RunError),
    "collected": Reader(lambda run: run.collected, lambda run: len(read_cache(run.collected, 1)), gives=0),
    "predictions": Reader(
        lambda run: run.predictions(NAME), lambda run: read_predictions(run.predictions(NAME)), error=ShardError
    ),
    "weights": Reader(
        lambda run: run.weights(NAME), lambda run: read_weights_metadata(run.weights(NAME), "cnn"), error=WeightsError
    ),
    "checkpoint": Reader(
        lambda run: run.checkpoint(NAME), lambda run: load_checkpoint(run.checkpoint(NAME), digest="", made_by="")
    ),
    "last lines": Reader(lambda run: run.logs(NAME) / "1_0_log.out", lambda run: last_lines(run, TRIAL), gives=[]),
    "lock": Reader(lambda run: run.lock(NAME), lambda run: is_held(run.lock(NAME)), gives=False),
    "holder": Reader(lambda run: run.lock(NAME), lambda run: holder(run.lock(NAME))),
    "launcher": Reader(lambda run: run.launcher, lambda run: trial_status(run, run.read_plan(), TRIAL).state, "lost"),
}
SPARSE_IS_FINE = ("last lines", "lock", "holder", "launcher")  # the end alone is read, or nothing


class TestEachReader:
    @kinds
    @pytest.mark.parametrize("name", READERS)
    def test_neither_waits_nor_believes(self, name: str, kind, tmp_path: Path):
        reader = READERS[name]
        run = make_run(tmp_path, TRIAL)
        path = put(kind, reader.path(run))
        if kind is sparse and name in SPARSE_IS_FINE:
            reader.read(run)
        elif reader.error is None:
            assert reader.read(run) == reader.gives
        else:
            with pytest.raises(reader.error) as caught:
                reader.read(run)
            assert str(path) in str(caught.value) or "no such run" in str(caught.value)
            if kind is not sparse or name not in ("predictions", "weights"):  # those are looked at piece by piece
                assert KINDS[kind] in str(caught.value)

    @kinds
    def test_a_log_is_no_log(self, kind, tmp_path: Path):
        run = make_run(tmp_path, TRIAL)
        path = put(kind, run.logs(NAME) / "1_0_log.out")
        log = read_log(run, TRIAL, follow=False, ended=lambda: True)
        if kind is sparse:
            assert len(next(log)) < 10**6  # in pieces: 3 GB would not fit
            return
        with pytest.raises(RunError) as caught:
            next(log)
        assert f"{path}: {KINDS[kind]}" in str(caught.value)

    @kinds
    def test_a_lock_that_is_none_cannot_be_held(self, kind, tmp_path: Path):
        run = make_run(tmp_path, TRIAL)
        put(kind, run.lock(NAME))
        if kind in (dangling, sparse):
            with held(run.lock(NAME)):  # the lock is made where the link leads
                assert is_held(run.lock(NAME))
            return
        with pytest.raises(OSError, match=r"\.lock"), held(run.lock(NAME)):
            pass

    def test_a_lock_with_nonsense_in_it_has_no_holder(self, tmp_path: Path):
        run = make_run(tmp_path, TRIAL)
        with held(run.lock(NAME)):
            run.lock(NAME).write_bytes(b"\xff nonsense")
            assert holder(run.lock(NAME)) is None

    @pytest.mark.parametrize("kind", [fifo, directory])
    def test_a_journal_that_cannot_be_written_does_not_stop_a_trial(self, kind, tmp_path: Path, caplog):
        run = make_run(tmp_path, TRIAL)
        journal = Journal(run, NAME)
        put(kind, run.attempts(NAME))
        put(kind, run.history(NAME))
        journal.begin(Attempt(job_id=None, host="h", step=0, started_at=""), [])
        journal.add(CurvePoint(epoch=1, loss=1, validation_accuracy=0, validation_macro_f1=0, train_seconds=1))
        assert caplog.text.count("the disk refuses notes") == 1

    def test_a_note_of_a_submission_without_a_number_is_refused(self, tmp_path: Path):
        run = make_run(tmp_path, TRIAL)
        (run.submissions / "7.json").write_text('{"job_id": "x", "job_name": "", "trials": [], "submitted_at": ""}')
        with pytest.raises(RunError, match="job_id: found 'x', wanted a number"):
            read_submissions(run)

    @kinds
    def test_an_image_that_is_none_is_named(self, kind, image_folder: Path):
        for part in ("train", "test"):
            path = put(kind, image_folder / part / "left" / "9.png")
            with pytest.raises(DataError) as caught:
                open_source(DataConfig(dataset=str(image_folder))).read("train")
            assert str(path) in str(caught.value)
            clear_path(path)


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


@contextmanager
def two_trials(tmp_path: Path, kind: Callable[[Path], None]) -> Iterator[tuple[RunDir, Trial, Trial]]:
    """A run of one good shard and one that is none."""
    good, bad = make_trial(seed=1), make_trial(seed=2)
    run = make_run(tmp_path, good, bad)
    write_shard(run.shard(good.name), finished(good))
    put(kind, run.shard(bad.name))
    yield run, good, bad


class TestCLI:
    @kinds
    def test_the_table_has_the_row_and_its_reason(self, kind, tmp_path: Path, run_cli):
        with two_trials(tmp_path, kind) as (run, _, bad):
            for command in ("report", "collect", "status"):
                code, said, warned = run_cli(command, "run", "--runs", str(tmp_path))
                assert code == 0
                assert KINDS[kind] in said + warned
            code, said, _ = run_cli("report", "run", "--runs", str(tmp_path))
            assert "1 of 2" in said
            assert f"seed 2: its shard cannot be believed: {KINDS[kind]}" in said
            table = (run.report / "table.md").read_text()
            assert KINDS[kind] in table
            assert [line.state for line in status(run, run.read_plan()).trials] == ["ok", "lost"]
            assert bad.name in {line.trial for line in gather(run)[1].trials} or collect(run).statuses[1] == "missing"

    @kinds
    def test_a_run_with_nothing_else_shows_its_table_too(self, kind, tmp_path: Path, run_cli):
        run = make_run(tmp_path, TRIAL)
        put(kind, run.shard(NAME))
        code, said, _ = run_cli("report", "run", "--runs", str(tmp_path))
        assert code == 0
        assert KINDS[kind] in said

    @pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not sparse], ids=lambda kind: kind.__name__)
    def test_logs_say_what_lies_there(self, kind, tmp_path: Path, run_cli):
        run = make_run(tmp_path, TRIAL)
        put(kind, run.logs(NAME) / "1_0_log.out")
        code, _, said = run_cli("logs", NAME, "--run", "run", "--runs", str(tmp_path))
        assert code == 2
        assert said.startswith("lab2: ")
        assert KINDS[kind] in said

    @pytest.mark.parametrize("kind", [fifo, directory], ids=lambda kind: kind.__name__)
    def test_a_launcher_lock_that_is_none_is_one_sentence(self, kind, tmp_path: Path, run_cli):
        run = make_run(tmp_path, TRIAL)
        put(kind, run.launcher)
        code, _, said = run_cli("resume", "run", "--runs", str(tmp_path))
        assert code == 2
        assert f"{run.launcher}: " in said

    @pytest.mark.slow
    @pytest.mark.timeout(300)
    @pytest.mark.parametrize("kind", [fifo, directory, device, sparse], ids=lambda kind: kind.__name__)
    def test_resume_runs_the_trial_again(self, kind, tmp_path: Path):
        with two_trials(tmp_path, kind) as (run, good, bad):
            put(kind, run.predictions(bad.name))
            done = lab2("resume", "run", "--runs", str(tmp_path), check=None)
            assert "Traceback" not in done.stderr
            states = {row.trial: row.status for row in collect(run).rows}
            assert states[good.name] == "ok"
            assert states[bad.name] == "ok"  # what lay in the place of its files has made way
