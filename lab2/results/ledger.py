"""The ledger of test-set uses: a line for each trial that has read test images, in the folder that holds its run.

The more configurations are judged on the same test images, the more likely one of them is good by luck alone (Dwork et
al. 2015, Science 349:636). The ledger counts them over all runs of a folder. Lines are only appended.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import TypeAdapter

from lab2.file_lock import held
from lab2.foreign_text import keep_visible
from lab2.json_lines import append_line, read_lines
from lab2.results.run_dir import RunDir
from lab2.spec.job import DataConfig, Trial

PATIENCE_SECONDS = 30.0  # for the lock: many trials may end at the same time, and each holds it for a moment

SHARED = 0o666  # less the umask: users who share a folder of runs share its ledger

# Trials with equal ones drew the same test images: the data set's SHA-256, the limit and the share held out.
TestSet = tuple[str, int | None, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One line: a trial that has read test images."""

    dataset: str  # its name
    dataset_sha256: str
    test_images: int | None  # the limit of the draw; None: all
    test_share: float  # held out where the data have no test part
    configuration: str  # SHA-256: what the seeds of a job have in common (`Trial.configuration`)
    digest: str  # of the trial
    trial: str
    run: str
    at: str  # UTC, ISO 8601

    def __post_init__(self) -> None:
        keep_visible(self)

    @property
    def test_set(self) -> TestSet:
        return self.dataset_sha256, self.test_images, self.test_share


_USE: TypeAdapter[Use] = TypeAdapter(Use)


@dataclass(frozen=True, slots=True)
class Ledger:
    """What was noted, oldest first, and how many lines cannot be read."""

    uses: tuple[Use, ...]
    broken: int = 0


def test_set(data: DataConfig, dataset_sha256: str) -> TestSet:
    """Which test images a trial on `data` reads."""
    return dataset_sha256, data.test_images, data.test_share


def note_use(run: RunDir, trial: Trial, dataset_sha256: str) -> None:
    """Append a line for `trial`, unless `run` is a smoke run.

    Raises `OSError` where the ledger cannot be written, and `RunError` where another process keeps its lock or the run
    has no plan.
    """
    plan = run.read_plan()
    if plan.smoke:
        return
    use = Use(
        dataset=trial.data.dataset,
        dataset_sha256=dataset_sha256,
        test_images=trial.data.test_images,
        test_share=trial.data.test_share,
        configuration=trial.configuration,
        digest=trial.digest,
        trial=trial.name,
        run=plan.run_id,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    # On a network file system O_APPEND alone may lose a line that another machine appends at the same moment.
    lock = run.ledger.with_name(f".{run.ledger.stem}.lock")
    with held(lock, "another process is noting a use of test images", PATIENCE_SECONDS, mode=SHARED):
        append_line(run.ledger, _USE.dump_json(use), mode=SHARED, sync=True)


def read_ledger(run: RunDir) -> Ledger:
    """The ledger of the folder that holds `run`. Raises `OSError` where there is none or it cannot be read."""
    uses, broken = read_lines(run.ledger, _USE)
    return Ledger(tuple(uses), broken)
