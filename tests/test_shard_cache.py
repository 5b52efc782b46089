"""The cache of shards that have been read is used where it can be, and believed in nothing."""

from __future__ import annotations

from pathlib import Path

from lab2.results.collect import collect
from lab2.results.run_dir import RunDir
from lab2.results.shard import write_shard
from lab2.results.shard_table import read_cache
from tests.conftest import finished, make_run
from tests.test_regular_file import NAME, TRIAL


class TestCollected:
    """The file that keeps what was read is not unpacked where it claims to hold more than the run can have."""

    def kept(self, run: RunDir) -> None:
        write_shard(run.shard(NAME), finished(TRIAL, reason="x" * 1000))
        collect(run)

    def test_it_is_used_where_it_fits(self, tmp_path: Path):
        run = make_run(tmp_path, TRIAL)
        self.kept(run)
        assert len(read_cache(run.collected, 1)) == 1

    def test_more_rows_than_trials_are_not_unpacked(self, tmp_path: Path):
        run = make_run(tmp_path, TRIAL)
        self.kept(run)
        assert len(read_cache(run.collected, 0)) == 0

    def test_a_row_larger_than_a_shard_can_be_is_not_unpacked(self, tmp_path: Path, monkeypatch):
        run = make_run(tmp_path, TRIAL)
        self.kept(run)
        monkeypatch.setattr("lab2.results.shard_table.SMALL", 1000)
        assert len(read_cache(run.collected, 1)) == 0
