"""Records of submissions: one small file for each sbatch call, so that any process can find the jobs of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from lab2.errors import RunError
from lab2.foreign_text import keep_visible
from lab2.regular_file import LISTS, read_regular
from lab2.results.run_dir import RunDir
from lab2.spec.checks import first_error
from lab2.whole_file import write_whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One sbatch call: a job, or an array of jobs."""

    job_id: str  # Slurm's id; for an array, the part before the underscore
    job_name: str
    trials: tuple[str, ...]  # the trial of each task, in the order of the array
    submitted_at: str  # UTC, ISO 8601
    excluded: tuple[str, ...] = ()  # nodes that it may not use
    place: dict[str, str] = field(default_factory=dict)  # what `place_of` gives for its trials

    def __post_init__(self) -> None:
        keep_visible(self)

    def task_ids(self) -> dict[str, str]:
        """By trial: Slurm's id of its job."""
        if len(self.trials) == 1:
            return {self.trials[0]: self.job_id}
        return {trial: f"{self.job_id}_{i}" for i, trial in enumerate(self.trials)}


_SUBMISSION: TypeAdapter[Submission] = TypeAdapter(Submission)


def write_submission(run: RunDir, submission: Submission) -> None:
    """Record a submission in the run. Raises `OSError` where it cannot be written."""
    write_whole(run.submissions / f"{submission.job_id}.json", _SUBMISSION.dump_json(submission))


def read_submissions(run: RunDir) -> list[Submission]:
    """The submissions of a run, oldest first. Raises `RunError` for a record that cannot be read."""
    return sorted((_read(path) for path in run.submissions.glob("[0-9]*.json")), key=lambda s: int(s.job_id))


def latest_jobs(submissions: list[Submission]) -> dict[str, str]:
    """By trial: Slurm's id of its newest job. Trials that were never submitted are missing."""
    return {trial: job for submission in submissions for trial, job in submission.task_ids().items()}


def _read(path: Path) -> Submission:
    try:
        found = _SUBMISSION.validate_json(read_regular(path, LISTS))
    except OSError as error:
        raise _bad_record(path, error.strerror) from error
    except ValidationError as error:
        raise _bad_record(path, first_error(error)) from error
    if not found.job_id.isdecimal():
        raise _bad_record(path, f"job_id: found {found.job_id!r}, wanted a number")
    return found


def _bad_record(path: Path, why: str | None) -> RunError:
    return RunError(f"{path}: not the note of a submission ({why}); remove it, then lab2 resume")
