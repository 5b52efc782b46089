"""The directory of one run: the path of each file, and functions that make, open and list runs.

plan.json      the planned trials        history/      learning curves, JSON lines, a file per trial
shards/        a row per trial           progress/     progress notes, attempts, locks
predictions/   labels and probabilities  logs/         submitit's files, a folder per trial
checkpoints/   state to resume from      weights/      trained networks, if asked for
report/        the table                 data/         findings of `lab2 inspect`, and pages of samples
export/        what `lab2 export` wrote
kernels/       what was measured to be fastest, a file a job and kind of machine
collected.parquet  the cache of shards that `collect` has read

Of `lab2 tune` also study.json (the study, written before anything starts) and tuned/ (the job files that it found).
Of `lab2 study` also claim.json (the claim and its rule, written before anything starts).
Of `lab2 more` also looks.json (the looks at a pair, written before any seed is added).

Where results were copied from other runs also taken.json.

On Slurm also profile.json (the profile of the submission), submissions/ (a record per sbatch call), exits/ (exit
notes) and scheduler.json (the last scheduler query).

Beside the runs lies test_set_uses.jsonl, the ledger of test-set uses.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from lab2.errors import RunError
from lab2.regular_file import LISTS, read_regular
from lab2.spec.checks import first_error, wrong_schema
from lab2.spec.plan import PLAN_SCHEMA, Plan, dump_plan, load_plan
from lab2.whole_file import write_whole

_FOLDERS = (
    "shards",
    "predictions",
    "history",
    "progress",
    "checkpoints",
    "logs",
    "weights",
    "report",
    "submissions",
    "exits",
)


@dataclass(frozen=True, slots=True)
class RunDir:
    """The paths of one run."""

    path: Path

    @property
    def shards(self) -> Path:
        return self.path / "shards"

    def shard(self, trial: str) -> Path:
        return self.shards / f"{trial}.json"

    def predictions(self, trial: str) -> Path:
        return self.path / "predictions" / f"{trial}.safetensors"

    def corrupted(self, trial: str) -> Path:
        """Which corrupted test images it is right about, where `data.corrupted` asks for it."""
        return self.path / "predictions" / f"{trial}.corrupted.safetensors"

    def history(self, trial: str) -> Path:
        return self.path / "history" / f"{trial}.jsonl"

    def progress(self, trial: str) -> Path:
        return self.path / "progress" / f"{trial}.json"

    def time_taken(self, trial: str) -> Path:
        return self.path / "progress" / f"{trial}.taken.json"

    def attempts(self, trial: str) -> Path:
        return self.path / "progress" / f"{trial}.attempts.jsonl"

    def pace(self, trial: str) -> Path:
        return self.path / "progress" / f"{trial}.pace.jsonl"

    def checkpoint(self, trial: str) -> Path:
        return self.path / "checkpoints" / f"{trial}.pt"

    def lock(self, trial: str) -> Path:
        return self.path / "progress" / f"{trial}.lock"

    def logs(self, trial: str) -> Path:
        return self.path / "logs" / trial

    def weights(self, trial: str) -> Path:
        return self.path / "weights" / f"{trial}.safetensors"

    def kernels(self, job: str, machine: str) -> Path:
        """The kernels with which the seeds of a job train on one kind of machine."""
        return self.path / "kernels" / f"{job}-{machine}.json"

    @property
    def exports(self) -> Path:
        """What `lab2 export` wrote, unless it was told another place."""
        return self.path / "export"

    @property
    def launcher(self) -> Path:
        """The lock of the process that launches the run's trials."""
        return self.path / "progress" / "launcher.lock"

    @property
    def submissions(self) -> Path:
        return self.path / "submissions"

    @property
    def exits(self) -> Path:
        return self.path / "exits"

    @property
    def scheduler(self) -> Path:
        return self.path / "scheduler.json"

    @property
    def profile(self) -> Path:
        return self.path / "profile.json"

    @property
    def report(self) -> Path:
        return self.path / "report"

    @property
    def data(self) -> Path:
        return self.path / "data"

    @property
    def findings(self) -> Path:
        """What was found in its data before it started."""
        return self.data / "findings.json"

    @property
    def taken(self) -> Path:
        return self.path / "taken.json"

    @property
    def study(self) -> Path:
        """The study of `lab2 tune`; other runs have none."""
        return self.path / "study.json"

    @property
    def claim(self) -> Path:
        """What a study of a claim (`lab2 study`) fixed before it started; other runs have none."""
        return self.path / "claim.json"

    @property
    def tuned(self) -> Path:
        """The job files that a study found."""
        return self.path / "tuned"

    @property
    def ledger(self) -> Path:
        """The ledger of test-set uses, which all runs of the same folder share."""
        return self.path.parent / "test_set_uses.jsonl"

    @property
    def looks(self) -> Path:
        """The looks of `lab2 more` at one pair; other runs have none."""
        return self.path / "looks.json"

    @property
    def collected(self) -> Path:
        return self.path / "collected.parquet"

    @property
    def plan(self) -> Path:
        return self.path / "plan.json"

    def read_plan(self) -> Plan:
        """The plan of the run. Raises `RunError` where there is none, or one that this version cannot read."""
        try:
            text = read_regular(self.plan, LISTS)
        except OSError as error:
            raise RunError(f"{self.plan}: {error.strerror}; wanted the plan of a run") from error
        try:
            schema = json.loads(text).get("schema")
            if schema != PLAN_SCHEMA:
                raise RunError(f"{self.plan}: {wrong_schema(schema, PLAN_SCHEMA, 'start a new run')}")
            return load_plan(text)
        except (AttributeError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise RunError(f"{self.plan}: not a plan ({error}); wanted what lab2 wrote") from error
        except ValidationError as error:
            raise RunError(f"{self.plan}: {first_error(error)}; it was altered; start a new run") from error

    def write_plan(self, plan: Plan) -> None:
        """Write the plan atomically. Raises `OSError` where it cannot be written."""
        write_whole(self.plan, dump_plan(plan))


def create_run(runs: Path, plan: Plan, before: Callable[[RunDir], None] | None = None) -> RunDir:
    """Make the directory of a new run, write its plan, and let the link `latest` point to it.

    `before` is called before the plan is written, without which a directory is no run.

    Raises `RunError` where the directory exists or cannot be made.
    """
    run = RunDir((runs / plan.run_id).absolute())
    try:
        run.path.mkdir(parents=True)
        for folder in _FOLDERS:
            (run.path / folder).mkdir()
        if before:
            before(run)
        run.write_plan(plan)
        _point_latest(runs, plan.run_id)
    except FileExistsError as error:
        raise RunError(f"{run.path}: exists already; another lab2 has just made it: try again") from error
    except OSError as error:
        raise RunError(f"{error.filename or run.path}: {error.strerror}; choose a writable --runs folder") from error
    return run


def open_run(runs: Path, run_id: str) -> RunDir:
    """The run of that id (or `latest`). Raises `RunError` where there is none; its message lists the newest runs."""
    try:
        run = RunDir((runs / run_id).resolve(strict=True))
    except (OSError, RuntimeError):  # RuntimeError: symbolic links in a loop
        run = RunDir(runs / run_id)
    if not os.path.lexists(run.plan):
        newest = ", ".join(sorted(known_runs(runs))[-5:]) or "none yet; lab2 run-local makes the first"
        raise RunError(f"{runs / run_id}: no such run; there are: {newest}")
    return run


def known_runs(runs: Path) -> Iterator[str]:
    """The ids of the runs in `runs`."""
    for plan in runs.glob("*/plan.json"):
        if not plan.parent.is_symlink():
            yield plan.parent.name


def new_run_id(runs: Path, dataset: str) -> str:
    """A new run id that sorts by time and names the data set: `20261123-150612-mnist`."""
    about = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(dataset).name) or "data"  # safe in the name of a Slurm job
    stem = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{about}"
    taken = set(known_runs(runs))
    return next(i for i in (stem, *(f"{stem}-{n}" for n in range(2, 1000))) if i not in taken)


def _point_latest(runs: Path, run_id: str) -> None:
    link = runs / f".latest.{run_id}"
    link.symlink_to(run_id)
    os.replace(link, runs / "latest")
