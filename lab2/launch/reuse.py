"""Copies finished trials from other runs: a trial that was computed before, on the same kind of node, is not rerun.

A finished trial is copied if all of the following are the same in its run and in the new one:

- its digest: configuration, seed, and the files that it reads (`lab2/measure/inputs.py`);
- the commit of lab2, with no uncommitted changes;
- on Slurm, the request (`place_of`): partition, constraint, gres, GPUs and cores, the other options that may choose
  nodes, set-up lines, python, the image's content, `--device`. The nodes themselves are not known here. But the same
  request gets the same kind of node, and there "auto" becomes the same precision, device and threads. A trial that ran
  without a profile, on some machine or in a job that the user wrote, was not requested in this way and is not copied;
- the versions of torch and torchvision, if the nodes use the python of this process. If the profile names another
  python, its versions are not known here. They may differ then; `trials.csv` shows them. A trial whose network comes
  from a package of the user's is not copied in this case;
- on this machine (`Here`): the host, the image, `--device` and the number of threads; where times are to be compared,
  also that no other trial was run beside it.
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
from lab2.launch.place import place_of
from lab2.launch.submission import Submission, read_submissions
from lab2.measure.inputs import packages_of
from lab2.regular_file import LARGE, SMALL, IrregularFileError, check_regular, read_regular, regular_file
from lab2.results.run_dir import RunDir, known_runs
from lab2.results.shard import Shard, read_finished
from lab2.results.taken import Taken, read_taken, write_taken
from lab2.spec.job import Trial
from lab2.spec.profile import Profile
from lab2.whole_file import whole_file, write_whole

COPIED = ("predictions", "corrupted", "history", "weights")  # copied with the shard, where they exist


@dataclass(frozen=True, slots=True)
class Finished:
    """A trial that another run has finished, and the reason why it is not reused, if any."""

    trial: str
    run: str
    against: str = ""  # why it is run again; empty if it is reused


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """This machine, as the place of trials that are not submitted."""

    host: str
    image_digest: str | None  # None: in no image
    threads: int  # that each trial gets
    alone: bool = False  # times are to be compared: a trial beside others is none of them


def reuse(
    run: RunDir, trials: Sequence[Trial], place: Profile | Here, *, device: str, commit: str | None
) -> list[Finished]:
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
            differences = _of_code(shard, commit)
            if isinstance(place, Here):
                differences = chain(differences, _of_machine(other, shard, place, device))
            else:
                differences = chain(differences, _of_request(submissions(other), shard, trial, place, device))
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


def _of_code(shard: Shard, commit: str | None) -> Iterator[str]:
    """The reasons against reusing a shard that lie in lab2's code."""
    if commit is None:
        yield "but no commit describes the code here"
    elif shard.git_commit != commit or shard.git_dirty:
        old_commit = (shard.git_commit or "unknown")[:12] + ", changed" * bool(shard.git_dirty)
        yield f"with other code (commit {old_commit}; here {commit[:12]})"


def _of_machine(other: RunDir, shard: Shard, here: Here, device: str) -> Iterator[str]:
    """The reasons that lie in the machine on which the shard of run `other` was made."""
    asked = _asked_device(other)
    if shard.scheduler_job_id is not None:
        yield "but as a job on Slurm"
    if shard.all_machines is not None or shard.host != here.host:
        yield f"on another machine ({shard.all_machines or shard.host})"
    if asked != device:
        yield f"with --device {asked or 'unknown'} (here {device})"
    if shard.threads != here.threads:
        yield f"with {shard.threads} threads (here {here.threads})"
    if here.alone and (shard.trials_at_once or 1) > 1:
        yield f"with {shard.trials_at_once} trials at once, and here their times are compared"
    if shard.image_digest != here.image_digest:
        yield "in another image"
    yield from _of_torch(shard)


def _asked_device(run: RunDir) -> str | None:
    try:
        return run.read_plan().device
    except RunError:
        return None


def _of_torch(shard: Shard) -> Iterator[str]:
    for name, ran_with in (("torch", shard.torch_version), ("torchvision", shard.torchvision_version)):
        if ran_with != _installed(name):
            yield f"with {name} {ran_with} (here {_installed(name)})"


def _of_request(
    submissions: dict[str, Submission], shard: Shard, trial: Trial, profile: Profile, device: str
) -> Iterator[str]:
    """The reasons that lie in what was asked of Slurm: what differs from a new trial, or cannot be known."""
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
    yield from _of_torch(shard)


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
