"""What was handed to Slurm: one small file for each sbatch, so that any shell can find the jobs of a run."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from lab2.errors import RunError
from lab2.foreign_text import keep_visible
from lab2.launch.container import image_content
from lab2.regular_file import LISTS, read_regular
from lab2.results.run_dir import RunDir
from lab2.spec.checks import first_wrong
from lab2.spec.job import Trial
from lab2.spec.profile import Profile
from lab2.whole_file import write_whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One sbatch: a job, or an array of them."""

    job_id: str  # Slurm's; of an array, the part before the underscore
    job_name: str
    trials: tuple[str, ...]  # the trial of each task of the array, in its order
    submitted_at: str  # UTC, ISO 8601
    excluded: tuple[str, ...] = ()  # nodes
    place: dict[str, str] = field(default_factory=dict)  # `place_of` its trials

    def __post_init__(self) -> None:
        keep_visible(self)

    def task_ids(self) -> dict[str, str]:
        """Slurm's id of each trial."""
        if len(self.trials) == 1:
            return {self.trials[0]: self.job_id}
        return {trial: f"{self.job_id}_{i}" for i, trial in enumerate(self.trials)}


# Of a profile: what decides on which nodes a trial runs, and in what environment. Who pays and how long it may take do
# not, nor does an image under `image`: its content is what counts.
_DECIDES = ("partition", "constraint", "gres", "container", "python", "setup", "srun")
_HARMLESS = {"begin", "comment", "hold", "mail-type", "mail-user", "nice", "priority"}  # of sbatch's options
# Read by torch, oneDNN or CUDA: they change in what precision, or with which instructions, a CPU or GPU multiplies.
_ARITHMETIC = (
    *("ATEN_CPU_CAPABILITY", "DNNL_MAX_CPU_ISA", "ONEDNN_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE"),
    *("NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE"),
)


def place_of(trial: Trial, profile: Profile, device: str) -> dict[str, str]:
    """What was asked of Slurm that "auto" may depend on: precision, device and threads are resolved on the node."""
    resources = trial.job.resources
    asked: dict[str, Any] = {name: getattr(profile, name) for name in _DECIDES}
    asked["sbatch"] = {name: profile.sbatch[name] for name in sorted(profile.sbatch.keys() - _HARMLESS)}
    asked |= {"image": image_content(profile), "device": device, "cpus": resources.cpus, "gpus": resources.gpus}
    asked |= {name: os.environ.get(name) for name in _ARITHMETIC}
    return {name: str(value) for name, value in asked.items() if value not in (None, (), {})}


_SUBMISSION: TypeAdapter[Submission] = TypeAdapter(Submission)


def write_submission(run: RunDir, submission: Submission) -> None:
    write_whole(run.submissions / f"{submission.job_id}.json", _SUBMISSION.dump_json(submission))


def read_submissions(run: RunDir) -> list[Submission]:
    """In the order in which they were made. Raises `RunError` for one that cannot be read."""
    return sorted((_read(path) for path in run.submissions.glob("[0-9]*.json")), key=lambda s: int(s.job_id))


def latest_jobs(submissions: list[Submission]) -> dict[str, str]:
    """Slurm's id of each trial that was handed to it, the newest where there are several."""
    return {trial: job for submission in submissions for trial, job in submission.task_ids().items()}


def _read(path: Path) -> Submission:
    try:
        found = _SUBMISSION.validate_json(read_regular(path, LISTS))
    except OSError as error:
        raise _no_note(path, error.strerror) from error
    except ValidationError as error:
        raise _no_note(path, first_wrong(error)) from error
    if not found.job_id.isdecimal():
        raise _no_note(path, f"job_id: found {found.job_id!r}, wanted a number")
    return found


def _no_note(path: Path, why: str | None) -> RunError:
    return RunError(f"{path}: not the note of a submission ({why}); remove it, then lab2 resume")
