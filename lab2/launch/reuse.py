"""Copies finished trials from other runs: a trial that was computed before, on the same kind of node, is not rerun.

A finished trial is copied if all of the following are the same in its run and in the new one:

- its digest: configuration, seed, and the files that it reads (`lab2/measure/inputs.py`);
- the commit of lab2, with no uncommitted changes;
- the request to Slurm (`place_of`): partition, constraint, gres, GPUs and cores, the other options that may choose
  nodes, set-up lines, python, the image's content, `--device`. The nodes themselves are not known here. But the same
  request gets the same kind of node, and there "auto" becomes the same precision, device and threads. A trial that ran
  without a profile, on some machine or in a job that the user wrote, was not requested in this way and is not copied;
- the versions of torch and torchvision, if the nodes use the python of this process. If the profile names another
  python, its versions are not known here. They may differ then; `trials.csv` shows them. A trial whose network comes
  from a package of the user's is not copied in this case.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from itertools import chain

from lab2.errors import RunError
from lab2.launch.submission import Submission, place_of, read_submissions
from lab2.measure.inputs import packages_of
from lab2.regular_file import LARGE, SMALL, IrregularFileError, check_regular, read_regular, regular_file
from lab2.results.run_dir import RunDir, known_runs
from lab2.results.shard import Shard, read_finished
from lab2.results.taken import Taken, read_taken, write_taken
from lab2.spec.job import Trial
from lab2.spec.profile import Profile
from lab2.whole_file import whole_file, write_whole

COPIED = ("predictions", "history", "weights")  # copied with the shard, where they exist


@dataclass(frozen=True, slots=True)
class Finished:
    """A trial that another run has finished, and the reason why it is not reused, if any."""

    trial: str
    run: str
    against: str = ""  # why it is run again; empty if it is reused


def reuse(run: RunDir, trials: Sequence[Trial], profile: Profile, *, device: str, commit: str | None) -> list[Finished]:
    """Copy into `run` those of `trials` that other runs in the same folder have finished, and record their origin.

    `commit` is the commit of this code; None where it has uncommitted changes or none is known. Returns one entry for
    each trial that another run has finished; for a trial that is not reused, it names the newest such run and the
    reason. Raises `OSError` where a file cannot be read or written.
    """
    known = sorted(set(known_runs(run.path.parent)) - {run.path.name}, reverse=True)
    others = [RunDir(run.path.parent / name) for name in known]
    submissions, taken_by = cache(_submissions), cache(lambda other: read_taken(other.taken))
    found: list[Finished] = []
    sources: dict[str, tuple[RunDir, Shard]] = {}
    for trial in trials:
        refused: list[Finished] = []
        copies: list[Finished] = []
        for other in others:
            if (shard := read_finished(other.shard(trial.name), trial.digest)) is None:
                continue
            copied = taken_by(other).get(trial.name)
            if copied and copied.started_at == shard.started_at:
                gone = f"which had it from run {copied.run}, which has it no more"
                copies.append(Finished(trial.name, other.path.name, gone))
                continue
            differences = _differences(submissions(other), shard, trial, profile, device, commit)
            against = next(chain(differences, _not_copyable(other, trial.name)), "")
            if not against:
                sources[trial.name] = other, shard
                found.append(Finished(trial.name, other.path.name))
                break
            refused.append(Finished(trial.name, other.path.name, against))
        else:
            found += (refused or copies)[:1]
    if sources:
        notes = {name: Taken(run=other.path.name, started_at=s.started_at) for name, (other, s) in sources.items()}
        write_taken(run.taken, notes)  # before the shards: a shard without a note would count as computed in this run
    for name, (other, _) in sources.items():
        copy_results(other, run, name)
    return found


def _differences(
    submissions: dict[str, Submission], shard: Shard, trial: Trial, profile: Profile, device: str, commit: str | None
) -> Iterator[str]:
    """The reasons against reusing a shard: what differs from a new trial, or cannot be known."""
    if commit is None:
        yield "but no commit describes the code here"
    elif shard.git_commit != commit or shard.git_dirty:
        old_commit = (shard.git_commit or "unknown")[:12] + ", changed" * bool(shard.git_dirty)
        yield f"with other code (commit {old_commit}; here {commit[:12]})"
    machine = f"on {shard.device_name or 'an unknown machine'}"
    submission = submissions.get((shard.scheduler_job_id or "").partition("_")[0])
    if submission is None or trial.name not in submission.trials:
        yield f"but not as a job of that run's on Slurm ({machine})"
        return
    place = place_of(trial, profile, device)
    for name in sorted(place.keys() | submission.place.keys()):
        old, new = submission.place.get(name, "none"), place.get(name, "none")
        if old != new:
            yield f"with another {name} asked of Slurm ({old}, {machine}; here {new})"
    if place.get("image") == "":
        yield f"in image {profile.image!r}, which may be another by now; name it by its digest (NAME@sha256:...)"
    if profile.python and (packages := packages_of(trial.job.model)):
        yield f"but which {', '.join(packages)} the nodes' python has is not known here"
    if profile.python or profile.container:
        return
    for name, ran_with in (("torch", shard.torch_version), ("torchvision", shard.torchvision_version)):
        if ran_with != _installed(name):
            yield f"with {name} {ran_with} (here {_installed(name)})"


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _submissions(run: RunDir) -> dict[str, Submission]:
    """The submissions of a run by Slurm's job id; empty where they cannot be read."""
    try:
        return {submission.job_id: submission for submission in read_submissions(run)}
    except RunError:
        return {}


def _not_copyable(source: RunDir, trial: str) -> Iterator[str]:
    """A reason for each of the trial's results that exists but cannot be copied, such as a pipe or a huge file."""
    for part in COPIED:
        with suppress(FileNotFoundError):
            try:
                check_regular(getattr(source, part)(trial), LARGE)
            except IrregularFileError as error:
                yield f"but its {part} cannot be copied ({error.strerror})"


def copy_results(source: RunDir, run: RunDir, trial: str) -> None:
    """Copy what `trial` left in `source` into `run`, its shard last. Raises `OSError` as the disk does."""
    for part in COPIED:
        old, new = getattr(source, part)(trial), getattr(run, part)(trial)
        with suppress(FileNotFoundError), regular_file(old, LARGE) as file, whole_file(new) as copy:
            shutil.copyfileobj(file, copy)
    write_whole(run.shard(trial), read_regular(source.shard(trial), SMALL))  # last: a shard means that all is complete
