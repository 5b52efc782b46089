"""Shards and the collector: every expected trial is a row, and nothing that is not whole is believed."""

from __future__ import annotations

import errno
import fcntl
import json
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab2.errors import RunError, ShardError
from lab2.file_lock import held, is_held
from lab2.results.collect import collect
from lab2.results.journal import Attempt, CurvePoint, Journal, Progress, read_attempts, read_history, read_progress
from lab2.results.run_dir import known_runs, new_run_id, open_run
from lab2.results.shard import SCHEMA, SHARD, Shard, read_shard, unfinished, write_shard
from lab2.whole_file import write_whole
from tests.conftest import finished, make_run, make_trial

anything = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
shares = st.floats(0, 1)
amounts = st.floats(0, 1e12)
shards = st.builds(
    replace,
    st.just(unfinished(make_trial(), "ok", "")),
    reason=st.text(),
    accuracy=st.none() | shares,
    macro_f1=st.none() | shares,
    train_seconds=st.none() | amounts,
    parameters=st.none() | st.integers(0, 10**12),
    weights=st.none() | st.text(),
)


class TestShard:
    @anything
    @given(shards)
    def test_comes_back_as_it_was_written(self, tmp_path: Path, shard: Shard):
        write_shard(tmp_path / "a.json", shard)
        assert read_shard(tmp_path / "a.json") == shard

    @anything
    @given(st.data())
    def test_no_prefix_of_one_is_believed(self, tmp_path: Path, data):
        path = tmp_path / "a.json"
        write_shard(path, finished(make_trial()))
        whole = path.read_bytes().rstrip()
        path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
        with pytest.raises(ShardError):
            read_shard(path)

    @anything
    @given(
        st.binary() | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(lambda x: json.dumps(x).encode())
    )
    def test_hostile_content_is_an_error_and_nothing_else(self, tmp_path: Path, content: bytes):
        path = tmp_path / "a.json"
        path.write_bytes(content)
        with pytest.raises(ShardError, match=r"a\.json"):
            read_shard(path)

    def test_an_altered_number_does_not_fit_its_checksum(self, tmp_path: Path):
        path = tmp_path / "a.json"
        write_shard(path, finished(make_trial(), accuracy=0.5))
        path.write_text(path.read_text().replace('"accuracy":0.5', '"accuracy":0.9'))
        with pytest.raises(ShardError, match="altered"):
            read_shard(path)

    def refused(self, path: Path, schema: object) -> str:
        path.write_text(json.dumps({"sha256": "", "row": {"schema": schema}}))
        with pytest.raises(ShardError) as caught:
            read_shard(path)
        return str(caught.value)

    def test_a_newer_schema_says_so(self, tmp_path: Path):
        path = tmp_path / "a.json"
        assert self.refused(path, 99) == f"{path}: schema 99, this version reads {SCHEMA}; update lab2"

    def test_an_older_schema_does_not_ask_for_a_newer_lab2(self, tmp_path: Path):
        said = self.refused(tmp_path / "a.json", 0)
        assert f"schema 0 of an older lab2, this version reads {SCHEMA}" in said
        assert "lab2 resume runs its trial again" in said
        assert "update" not in said

    @pytest.mark.parametrize("schema", ["x", [2], {}, None], ids=str)
    def test_a_schema_that_is_no_number_is_another_programs(self, tmp_path: Path, schema: object):
        said = self.refused(tmp_path / "a.json", schema)
        assert f"schema {schema!r}" in said
        assert "another program wrote it" in said

    def test_one_of_an_older_schema_is_read_without_what_meant_something_else(self):
        """Written by lab2 at be65c34, by a smoke run."""
        shard = read_shard(Path(__file__).parent / "shards" / "schema-1.json")
        assert (shard.trial, shard.status, shard.schema) == ("cnn-seed1", "ok", SCHEMA)
        assert (shard.accuracy, shard.parameters, shard.git_commit[:7]) == (0.898, 449_546, "be65c34")
        assert shard.train_seconds > 0
        assert (shard.peak_memory_bytes, shard.latency_p50_seconds, shard.wall_seconds) == (None, None, None)
        assert (shard.macro_f1, shard.precision) == (None, "bf16")

    def test_deep_nesting_is_refused(self, tmp_path: Path):
        path = tmp_path / "a.json"
        path.write_text("[" * 100_000)
        with pytest.raises(ShardError, match="not whole"):
            read_shard(path)

    def test_not_a_number_is_refused_where_it_is_written(self):
        with pytest.raises(ShardError, match="accuracy=nan"):
            finished(make_trial(), accuracy=float("nan"))


class TestWholeFile:
    def test_what_stood_there_stays_when_writing_fails(self, tmp_path: Path, monkeypatch):
        path = tmp_path / "a"
        write_whole(path, b"old")
        monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(OSError, match="No space left") as caught:
            write_whole(path, b"new")
        assert caught.value.filename == str(path)
        assert path.read_bytes() == b"old"
        assert [p.name for p in tmp_path.iterdir()] == ["a"]


class TestLock:
    def test_is_seen_while_held_and_not_after(self, tmp_path: Path):
        path = tmp_path / "lock"
        assert not is_held(path)
        with held(path):
            assert is_held(path)
        assert not is_held(path)

    def test_a_file_system_without_locks_does_not_stop_a_trial(self, tmp_path: Path, monkeypatch):
        def no_locks(*_: object) -> None:
            raise OSError(errno.ENOSYS, "Function not implemented")

        monkeypatch.setattr(fcntl, "flock", no_locks)
        with held(tmp_path / "lock"):
            assert not is_held(tmp_path / "lock")


class TestPlan:
    def test_a_shard_of_the_version_that_planned_it_is_believed(self, tmp_path: Path):
        """A later version may know more fields, and computes another digest of the same trial."""
        trial = make_trial()
        run = make_run(tmp_path, trial)
        run.write_plan(replace(run.read_plan(), digests=("computed by an older version",)))
        write_shard(run.shard(trial.name), replace(finished(trial), digest="computed by an older version"))
        assert collect(run).rows[0].status == "ok"
        write_shard(run.shard(trial.name), replace(finished(trial), digest="of anything else"))
        assert collect(run).rows[0].status == "missing"

    def test_what_is_told_of_a_trial_without_a_shard_is_its_row(self, tmp_path: Path):
        trial = make_trial()
        run = make_run(tmp_path, trial)
        (row,) = collect(run, lambda *_: {trial.name: ("out_of_memory", "on n2")}).rows
        assert (row.status, row.reason) == ("out_of_memory", "on n2")


class TestJournal:
    def test_a_process_that_goes_on_keeps_the_curve_up_to_there(self, tmp_path: Path):
        run = make_run(tmp_path, make_trial())
        journal = Journal(run, "cnn-seed1")
        points = [
            CurvePoint(epoch=n, loss=1.0, validation_accuracy=0.5, validation_macro_f1=0.5, train_seconds=n)
            for n in (1, 2, 3)
        ]
        for number, kept in ((0, []), (7, points[:2])):
            journal.begin(Attempt(job_id="5", host="n1", step=number, started_at="2026-01-01"), kept)
            assert read_history(run, "cnn-seed1") == kept
            journal.add(points[2])
            assert read_history(run, "cnn-seed1") == [*kept, points[2]]
        assert [(one.job_id, one.host, one.step) for one in read_attempts(run, "cnn-seed1")] == [
            ("5", "n1", 0), ("5", "n1", 7),
        ]  # fmt: skip

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="LOUD: no /dev/full here")
    def test_a_full_disk_does_not_end_the_training(self, tmp_path: Path, caplog):
        run = make_run(tmp_path, make_trial())
        run.history("cnn-seed1").symlink_to("/dev/full")
        journal = Journal(run, "cnn-seed1")
        point = CurvePoint(epoch=1, loss=None, validation_accuracy=0.9, validation_macro_f1=0.8, train_seconds=2)
        journal.add(point)
        journal.add(point)
        assert caplog.text.count("the disk refuses notes") == 1

    def test_tells_what_it_was_told(self, tmp_path: Path):
        run = make_run(tmp_path, make_trial())
        journal = Journal(run, "cnn-seed1")
        journal.note(Progress(state="training", epoch=1.5, epochs=3))
        point = CurvePoint(epoch=1, loss=0.5, validation_accuracy=0.9, validation_macro_f1=0.8, train_seconds=2)
        journal.add(point)
        journal.add(replace(point, epoch=2))
        run.history("cnn-seed1").open("ab").write(b'{"epoch": 3, "lo')  # a crash in mid-line
        found = read_progress(run, "cnn-seed1")
        assert found is not None
        assert found == Progress(state="training", epoch=1.5, epochs=3)
        assert [p.epoch for p in read_history(run, "cnn-seed1")] == [1, 2]


class TestRunDir:
    def test_latest_points_at_the_newest(self, tmp_path: Path):
        make_run(tmp_path, make_trial(), run_id="a")
        make_run(tmp_path, make_trial(), run_id="b")
        assert open_run(tmp_path, "latest").path.name == "b"
        assert sorted(known_runs(tmp_path)) == ["a", "b"]

    def test_an_unknown_run_lists_what_there_is(self, tmp_path: Path):
        make_run(tmp_path, make_trial(), run_id="a")
        with pytest.raises(RunError, match="no such run; there are: a"):
            open_run(tmp_path, "b")

    def test_ids_do_not_collide(self, tmp_path: Path):
        first = new_run_id(tmp_path, "mnist")
        make_run(tmp_path, make_trial(), run_id=first)
        assert new_run_id(tmp_path, "mnist") != first

    def test_a_plan_of_another_schema_is_named(self, tmp_path: Path):
        run = make_run(tmp_path, make_trial())
        run.plan.write_text(run.plan.read_text().replace('"schema": 2', '"schema": 99'))
        with pytest.raises(RunError, match=r"plan\.json: schema 99, this version reads 2; update lab2"):
            run.read_plan()

    def test_a_plan_of_an_older_lab2_asks_for_no_update(self, tmp_path: Path):
        run = make_run(tmp_path, make_trial())
        run.plan.write_text(run.plan.read_text().replace('"schema": 2', '"schema": 1'))
        with pytest.raises(RunError) as caught:
            run.read_plan()
        assert "schema 1 of an older lab2, this version reads 2; start a new run" in str(caught.value)
        assert "update" not in str(caught.value)

    def test_where_there_is_no_run_the_advice_needs_no_makefile(self, tmp_path: Path):
        with pytest.raises(RunError, match="none yet; lab2 run-local makes the first"):
            open_run(tmp_path, "latest")

    @pytest.mark.parametrize("content", ["", "[]", "{", '{"schema": 2}', "\ud800"])
    def test_a_plan_that_is_none_is_named(self, tmp_path: Path, content: str):
        run = make_run(tmp_path, make_trial())
        run.plan.write_bytes(content.encode(errors="surrogatepass"))
        with pytest.raises(RunError, match=r"plan\.json: "):
            run.read_plan()


def test_the_schema_is_pinned():
    """New fields come without a new SCHEMA; one that goes, or means something else, raises it."""
    assert len(SHARD.json_schema()["properties"]) == len(fields(Shard)) == 83
