"""Finished trials of other runs: the same computation, on the same kind of node, need not be done again.

A trial is taken over where all of this is as it is here and now:

- its digest: configuration, seed, and what it reads (`lab2/measure/inputs.py`);
- lab2's commit, without changes there and here;
- what was asked of Slurm (`place_of`): partition, constraint, gres, GPUs and cores, the other options that may choose
  nodes, set-up lines, python, the image's content, `--device`. The nodes are not known here, but whatever precision,
  device and threads "auto" became there, the same request would get again. What no profile asked for, a run on some
  machine or a job of the user's own, says nothing of these nodes;
- torch and torchvision, where the nodes use this very python. Where the profile names another, nothing is known of it:
  they may differ, as the table's `trials.csv` shows, but the packages of a user's network must be known.
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

COPIED = ("predictions", "history", "weights")  # beside the shard, where there are any


@dataclass(frozen=True, slots=True)
class Finished:
    """A run that has finished a trial of this digest, and why it is run again all the same."""

    trial: str
    run: str
    against: str = ""  # empty: it is taken over


def reuse(run: RunDir, trials: Sequence[Trial], profile: Profile, *, device: str, commit: str | None) -> list[Finished]:
    """Copy into `run` what its neighbours have finished of `trials`, and note in it what came from where.

    `commit` is that of the code here; None where no commit describes it. Of a trial that no run is taken for, the
    newest that has finished it is told, with what is against it. Raises `OSError` as the disk does.
    """
    known = sorted(set(known_runs(run.path.parent)) - {run.path.name}, reverse=True)
    others = [RunDir(run.path.parent / name) for name in known]
    submissions, taken_there = cache(_submissions), cache(lambda other: read_taken(other.taken))
    found: list[Finished] = []
    sources: dict[str, tuple[RunDir, Shard]] = {}
    for trial in trials:
        refused: list[Finished] = []
        copies: list[Finished] = []
        for other in others:
            if (shard := read_finished(other.shard(trial.name), trial.digest)) is None:
                continue
            copied = taken_there(other).get(trial.name)
            if copied and copied.started_at == shard.started_at:
                gone = f"which had it from run {copied.run}, which has it no more"
                copies.append(Finished(trial.name, other.path.name, gone))
                continue
            wrong = _against(submissions(other), shard, trial, profile, device, commit)
            against = next(chain(wrong, _no_files(other, trial.name)), "")
            if not against:
                sources[trial.name] = other, shard
                found.append(Finished(trial.name, other.path.name))
                break
            refused.append(Finished(trial.name, other.path.name, against))
        else:
            found += (refused or copies)[:1]
    if sources:
        notes = {name: Taken(run=other.path.name, started_at=s.started_at) for name, (other, s) in sources.items()}
        write_taken(run.taken, notes)  # first: a row that is not marked would pass for one of this run's
    for name, (other, _) in sources.items():
        _copy(other, run, name)
    return found


def _against(
    submissions: dict[str, Submission], shard: Shard, trial: Trial, profile: Profile, device: str, commit: str | None
) -> Iterator[str]:
    """What is not as it would be here, or would have to be known; the first says enough."""
    if commit is None:
        yield "but no commit describes the code here"
    elif shard.git_commit != commit or shard.git_dirty:
        theirs = (shard.git_commit or "unknown")[:12] + ", changed" * bool(shard.git_dirty)
        yield f"with other code (commit {theirs}; here {commit[:12]})"
    machine = f"on {shard.device_name or 'an unknown machine'}"
    submission = submissions.get((shard.scheduler_job_id or "").partition("_")[0])
    if submission is None or trial.name not in submission.trials:
        yield f"but not as a job of that run's on Slurm ({machine})"
        return
    place = place_of(trial, profile, device)
    for name in sorted(place.keys() | submission.place.keys()):
        theirs, ours = submission.place.get(name, "none"), place.get(name, "none")
        if theirs != ours:
            yield f"with another {name} asked of Slurm ({theirs}, {machine}; here {ours})"
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
    """By Slurm's id; of a run whose notes cannot be read nothing is known."""
    try:
        return {one.job_id: one for one in read_submissions(run)}
    except RunError:
        return {}


def _no_files(source: RunDir, trial: str) -> Iterator[str]:
    """What of its results is there and is no file that can be copied."""
    for part in COPIED:
        with suppress(FileNotFoundError):
            try:
                check_regular(getattr(source, part)(trial), LARGE)
            except IrregularFileError as error:
                yield f"but its {part} cannot be copied ({error.strerror})"


def _copy(source: RunDir, run: RunDir, trial: str) -> None:
    for part in COPIED:
        theirs, ours = getattr(source, part)(trial), getattr(run, part)(trial)
        with suppress(FileNotFoundError), regular_file(theirs, LARGE) as file, whole_file(ours) as copy:
            shutil.copyfileobj(file, copy)
    write_whole(run.shard(trial), read_regular(source.shard(trial), SMALL))  # last: it says that all is there
