"""The collector: a row for each trial that was expected, whatever lies in the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab2.results import collect as collecting
from lab2.results.collect import collect
from lab2.results.shard import Shard, Status, read_shard, unfinished, write_shard
from lab2.spec.job import DataConfig, Trial
from tests.conftest import finished, make_run, make_trial
from tests.test_results import anything


class TestCollect:
    def test_every_expected_trial_is_a_row_in_the_plans_order(self, tmp_path: Path):
        trials = [make_trial("vit"), make_trial("cnn"), make_trial("cnn", seed=2)]
        run = make_run(tmp_path, *trials)
        write_shard(run.shard("cnn-seed2"), finished(trials[2]))
        found = collect(run)
        assert [(row.trial, row.status) for row in found.rows] == [
            ("vit-seed1", "missing"),
            ("cnn-seed1", "missing"),
            ("cnn-seed2", "ok"),
        ]
        assert not found.warnings

    def test_a_bad_shard_costs_only_its_own_row(self, tmp_path: Path):
        trials = [make_trial("cnn", seed=s) for s in range(5)]
        run = make_run(tmp_path, *trials)
        for trial in trials:
            write_shard(run.shard(trial.name), finished(trial))
        torn = run.shard("cnn-seed0")
        torn.write_bytes(torn.read_bytes()[:50])
        run.shard("cnn-seed1").write_text('{"sha256": "", "row": {"schema": 99}}')
        write_shard(run.shard("cnn-seed2"), finished(trials[3]))  # a copy under another's name
        write_shard(run.shard("cnn-seed3"), finished(make_trial("cnn", seed=3, epochs=9)))  # another configuration
        write_shard(run.shard("stranger"), finished(trials[4]))
        found = collect(run)
        assert [row.status for row in found.rows] == ["missing"] * 4 + ["ok"]
        for number, words in enumerate(("not whole", "schema 99", "a copy of the shard", "another configuration")):
            assert words in found.rows[number].reason
            assert words in found.warnings[number]
        assert "expects no such shard" in found.warnings[4]

    def test_rows_of_other_pictures_under_one_name_are_named(self, tmp_path: Path):
        trials = [make_trial("cnn", seed=s) for s in range(6)]
        run = make_run(tmp_path, *trials)
        for trial, digest in zip(trials, ("a" * 64, "b" * 64, "a" * 64, None, "a" * 64, "a" * 64), strict=True):
            write_shard(run.shard(trial.name), finished(trial, dataset_sha256=digest))
        (warning,) = collect(run).warnings
        assert warning == (
            "mnist: its files changed between trials, whose rows do not compare: SHA-256 "
            "aaaaaaaaaaaa for cnn-seed0, cnn-seed2, cnn-seed4 and 1 more, bbbbbbbbbbbb for cnn-seed1"
        )

    def test_other_data_sets_in_one_run_are_not_changed_ones(self, tmp_path: Path):
        trials = [make_trial("cnn"), replace(make_trial("vit"), data=DataConfig(dataset="kmnist"))]
        run = make_run(tmp_path, *trials)
        for trial in trials:
            write_shard(run.shard(trial.name), finished(trial, dataset_sha256=trial.data.dataset))
        assert collect(run).warnings == ()

    @anything
    @given(st.lists(st.sampled_from(["ok", "failed", "torn", "absent"]), min_size=1, max_size=8), st.randoms())
    def test_rows_do_not_depend_on_the_order_of_arrival(self, tmp_path_factory, fates, random):
        trials = [make_trial("cnn", seed=s) for s in range(len(fates))]
        run = make_run(tmp_path_factory.mktemp("r"), *trials)
        pairs = list(zip(trials, fates, strict=True))
        random.shuffle(pairs)
        for trial, fate in pairs:
            if fate == "ok":
                write_shard(run.shard(trial.name), finished(trial))
            elif fate == "failed":
                write_shard(run.shard(trial.name), unfinished(trial, "failed", "why"))
            elif fate == "torn":
                run.shard(trial.name).write_bytes(b'{"sha')
        expected = ["ok" if f == "ok" else "failed" if f == "failed" else "missing" for f in fates]
        assert [row.status for row in collect(run).rows] == expected

    @pytest.fixture
    def read(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """The shards that `collect` opens, by trial."""
        opened: list[str] = []
        monkeypatch.setattr(collecting, "read_shard", lambda path: opened.append(path.stem) or read_shard(path))
        return opened

    def test_a_shard_that_has_not_changed_is_not_read_again(self, tmp_path: Path, read: list[str]):
        trials = [make_trial("cnn", seed=s) for s in range(4)]
        run = make_run(tmp_path, *trials)
        for trial in trials[:2]:
            write_shard(run.shard(trial.name), finished(trial, accuracy=0.5, peak_memory_bytes=2**40))
        collect(run)
        assert read == ["cnn-seed0", "cnn-seed1"]
        read.clear()
        write_shard(run.shard("cnn-seed1"), finished(trials[1], accuracy=0.6))
        write_shard(run.shard("cnn-seed2"), unfinished(trials[2], "failed", "why"))
        once_more = collect(run)
        assert read == ["cnn-seed1", "cnn-seed2"]
        run.collected.unlink()
        assert once_more.rows == collect(run).rows
        assert [row.accuracy for row in once_more.rows] == [0.5, 0.6, None, None]
        assert once_more.rows[0] == finished(trials[0], accuracy=0.5, peak_memory_bytes=2**40)

    def test_few_new_shards_are_read_again_rather_than_all_written_again(self, tmp_path: Path, read: list[str]):
        trials = [make_trial(seed=s) for s in range(103)]
        run = make_run(tmp_path, *trials)
        for trial in trials[:101]:
            write_shard(run.shard(trial.name), finished(trial))
        collect(run)
        kept = run.collected.read_bytes()
        write_shard(run.shard("cnn-seed101"), finished(trials[101], accuracy=0.1))  # one to a hundred
        for _ in range(2):
            read.clear()
            assert collect(run).rows[101].accuracy == 0.1
            assert read == ["cnn-seed101"]
        assert run.collected.read_bytes() == kept
        write_shard(run.shard("cnn-seed102"), finished(trials[102]))
        collect(run)
        read.clear()
        assert collect(run).statuses == ["ok"] * 103
        assert read == []

    def test_a_shard_that_cannot_be_believed_is_read_again(self, tmp_path: Path, read: list[str]):
        run = make_run(tmp_path, make_trial())
        run.shard(make_trial().name).write_text("{")
        for _ in range(2):
            read.clear()
            (warning,) = collect(run).warnings
            assert "not whole" in warning
            assert read == [make_trial().name]

    def test_rows_that_were_kept_for_another_plan_are_not_taken(self, tmp_path: Path):
        trial = make_trial()
        run = make_run(tmp_path / "a", trial)
        write_shard(run.shard(trial.name), finished(trial))
        collect(run)
        plan = run.read_plan()
        run.write_plan(replace(plan, trials=(make_trial(epochs=9),), digests=()))
        assert "another configuration" in collect(run).rows[0].reason

    @pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1 and nonsense PAR1"])
    def test_what_is_kept_may_be_lost(self, tmp_path: Path, content: bytes):
        trial = make_trial()
        run = make_run(tmp_path, trial)
        write_shard(run.shard(trial.name), finished(trial))
        run.collected.write_bytes(content)
        assert collect(run).rows == (finished(trial),)

    def test_a_kept_file_of_another_version_is_not_used(self, tmp_path: Path):
        trial = make_trial()
        run = make_run(tmp_path, trial)
        write_shard(run.shard(trial.name), finished(trial))
        collect(run)
        kept = pq.read_table(run.collected)
        wrong = kept.set_column(kept.schema.get_field_index("accuracy"), "accuracy", pa.array([0.1]))
        for other in (kept.drop_columns(["accuracy"]), wrong.replace_schema_metadata({"schema": "0"})):
            pq.write_table(other, run.collected)
            assert collect(run).rows == (finished(trial),)

    def test_a_folder_that_takes_no_file_is_collected_all_the_same(self, tmp_path: Path):
        trial = make_trial()
        run = make_run(tmp_path, trial)
        write_shard(run.shard(trial.name), finished(trial))
        run.collected.mkdir()  # where the file should go
        assert collect(run).rows == (finished(trial),)
        assert list(run.collected.iterdir()) == []

    def test_a_run_that_was_copied_without_its_empty_folders_is_collected(self, tmp_path: Path):
        run = make_run(tmp_path, make_trial())
        run.shards.rmdir()
        assert collect(run).statuses == ["missing"]

    def test_a_trial_that_ended_while_others_were_asked_about_is_believed(self, tmp_path: Path):
        trials = [make_trial(seed=s) for s in (1, 2)]
        run = make_run(tmp_path, *trials)
        asked: list[str] = []

        def tell(_: object, without: Sequence[Trial]) -> dict[str, tuple[Status, str]]:
            asked.extend(trial.name for trial in without)
            write_shard(run.shard(trials[0].name), finished(trials[0]))
            return {trial.name: ("failed", "why") for trial in without}

        assert collect(run, tell).statuses == ["ok", "failed"]
        assert asked == ["cnn-seed1", "cnn-seed2"]

    def test_the_frame_has_every_field(self, tmp_path: Path):
        run = make_run(tmp_path, make_trial())
        assert list(collect(run).frame.columns) == [f.name for f in fields(Shard)]
