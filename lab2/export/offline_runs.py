"""Trials as offline runs of Weights & Biases, for `wandb sync`; nothing is sent.

A run's id comes from run, trial and row: `wandb sync` of a second export meets the first one's run.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from glob import escape
from pathlib import Path

from lab2.errors import RunError
from lab2.export.outcome import Outcome
from lab2.export.packages import require_package
from lab2.export.record import TrialRecord
from lab2.foreign_text import one_line

PROJECT = "lab2"
_DIGITS = 12  # of the identity


def to_wandb(records: Iterable[TrialRecord], place: str) -> Iterator[Outcome]:
    """Write `records` into the folder `place`, each whole.

    Raises `ConfigError` where wandb is not installed, `RunError` where it refuses.
    """
    require_package("wandb", "wandb")
    folder = Path(place).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    for record in records:
        target = folder / _name(record)
        older = [one for one in folder.glob(_pattern(record)) if one != target]
        if target.is_dir():
            yield Outcome.PRESENT
            continue
        with tempfile.TemporaryDirectory(dir=folder, prefix=".writing-") as draft:
            _write(record, Path(draft)).rename(target)
        for one in older:
            shutil.rmtree(one)
        yield Outcome.REPLACED if older else Outcome.WRITTEN


def _trial_id(record: TrialRecord) -> str:
    return f"{record.run}-{record.trial}-".replace("/", "-")


def _pattern(record: TrialRecord) -> str:
    """The names of the folders of this trial, whatever its row."""
    return f"offline-run-{'?' * 8}_{'?' * 6}-{escape(_trial_id(record))}{'?' * _DIGITS}"


def run_id(record: TrialRecord) -> str:
    """Of W&B: it tells trials and rows apart."""
    return f"{_trial_id(record)}{record.identity[:_DIGITS]}"


def _name(record: TrialRecord) -> str:
    """As wandb names the folder of an offline run, but with the time when the trial began."""
    return f"offline-run-{datetime.fromtimestamp(record.started, UTC):%Y%m%d_%H%M%S}-{run_id(record)}"


def _write(record: TrialRecord, draft: Path) -> Path:
    """Write the run below `draft`; returns its folder."""
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # it is read at import
    import wandb

    settings = wandb.Settings(
        mode="offline",
        console="off",
        silent=True,
        disable_git=True,
        disable_code=True,
        x_disable_stats=True,
        x_disable_meta=True,
        x_disable_machine_info=True,
    )
    try:
        made = wandb.init(
            project=PROJECT,
            group=record.run,
            name=record.trial,
            id=run_id(record),
            dir=str(draft),
            config=dict(record.parameters),
            settings=settings,
            reinit="create_new",
        )
        made.config.update({"tags": dict(record.tags), "lab2.shard_sha256": record.sha256})
        for point in record.curve:
            made.log({f"curve/{name}": value for name, value in point.values.items()}, step=point.step)
        made.summary.update(dict(record.metrics))
        made.finish(exit_code=0 if record.status == "ok" else 1)
    except wandb.Error as error:
        raise RunError(f"{record.trial}: wandb refuses: {one_line(str(error))}; mend that and export again") from error
    (found,) = draft.glob("wandb/offline-run-*")
    return found
