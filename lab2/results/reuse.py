"""Finished trials of other runs: the same configuration, seed, data and code need not be computed again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from lab2.errors import ShardError
from lab2.regular_file import LARGE, SMALL, IrregularFileError, read_regular, regular_file
from lab2.results.run_dir import RunDir, known_runs
from lab2.results.shard import Shard, read_shard
from lab2.spec.job import Trial
from lab2.whole_file import whole_file, write_whole


def find_finished(runs: Path, trial: Trial, *, dataset_sha256: str, commit: str) -> tuple[RunDir, Shard] | None:
    """The newest run in `runs` that has finished `trial` on these data with this very code."""
    for run_id in sorted(known_runs(runs), reverse=True):
        run = RunDir(runs / run_id)
        if not run.shard(trial.name).exists():
            continue
        try:
            shard = read_shard(run.shard(trial.name))
        except ShardError:
            continue
        same = (shard.status, shard.digest, shard.dataset_sha256) == ("ok", trial.digest, dataset_sha256)
        if same and (shard.git_commit, shard.git_dirty) == (commit, False):
            return run, shard
    return None


def reuse(
    run: RunDir, trials: Sequence[Trial], *, dataset_sha256: dict[str, str], commit: str
) -> Iterator[tuple[str, str]]:
    """Copy into `run` what its neighbours have finished; yields each such trial's name and where it came from."""
    for trial in trials:
        found = find_finished(run.path.parent, trial, dataset_sha256=dataset_sha256[trial.data.dataset], commit=commit)
        if found is None:
            continue
        source, _ = found
        try:
            _copy(source, run, trial.name)
        except IrregularFileError:  # it is run again
            continue
        yield trial.name, source.path.name


def _copy(source: RunDir, run: RunDir, trial: str) -> None:
    for part in ("predictions", "history", "weights"):
        theirs, ours = getattr(source, part)(trial), getattr(run, part)(trial)
        with suppress(FileNotFoundError), regular_file(theirs, LARGE) as file, whole_file(ours) as copy:
            shutil.copyfileobj(file, copy)
    write_whole(run.shard(trial), read_regular(source.shard(trial), SMALL))  # last: it says that all is there
