"""Makes a run of predictions that others made, alone or beside the finished rows of a run.

The plan of a run is fixed, so imported rows never join a run: they get a new one, into which the finished results of
the other are copied. Its `taken.json` records that, and the caption says so.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

import lab2
from lab2.data.answer_check import Answers, checked_answers
from lab2.data.answer_table import read_answers, shown
from lab2.data.known_images import KnownImages, named_images, read_known
from lab2.data.source import Progress, nothing
from lab2.errors import DataError, RunError
from lab2.launch.reuse import copy_results
from lab2.measure.metrics import from_predictions
from lab2.measure.predictions import write_predictions
from lab2.measure.provenance import source_commit
from lab2.models.external import ExternalConfig
from lab2.regular_file import LISTS, read_regular
from lab2.results.ledger import note_use
from lab2.results.run_dir import RunDir, create_run, new_run_id
from lab2.results.shard import Shard, read_finished, unfinished, write_shard
from lab2.results.taken import Taken, write_taken
from lab2.spec.job import DataConfig, JobSpec, Trial
from lab2.spec.plan import Plan, some_of
from lab2.whole_file import write_whole

LONGEST_NAME = 100  # characters of an architecture's name


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """The run that was made, its imported trials, and sentences on what was not taken over or not noted."""

    run: RunDir
    trials: tuple[Trial, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Beside:
    """The finished trials of a run, their digests there, and their shards."""

    run: RunDir
    plan: Plan
    trials: tuple[Trial, ...]
    digests: tuple[str, ...]
    shards: tuple[Shard, ...]
    left: tuple[str, ...]  # names of trials that have no result


def import_answers(
    file: Path,
    runs: Path,
    data: DataConfig | None,
    beside: RunDir | None = None,
    progress: Progress = nothing,
    command: str = "",
) -> Imported:
    """Read `file`, check it against the test images of `data`, and make a run of it in the folder `runs`.

    `data` None: those of the run `beside`, if there is one, else the images are known by their names in the file alone.
    `beside`: a run whose finished trials stand in the new one, too. `command`: what was typed.
    Raises `DataError` for a file that is wrong, `RunError` for a run that cannot be compared with or cannot be written.
    """
    table = read_answers(file)
    others = _finished(beside) if beside else None
    config = data or (_data_of(others) if others else None)
    known = read_known(config, progress) if config else named_images(table)
    if others:
        _check_same_data(others, known)
    answers = checked_answers(table, known)
    trials = _trials(answers, config or DataConfig(dataset=str(file.resolve())), known, pinned=config is not None)
    if others:
        _check_names(table.path, trials, others)
    run = _make_run(runs, trials, answers, known, others, command)
    notes = []
    if table.ignored:
        notes.append(f"columns that are not used: {some_of([shown(name) for name in table.ignored])}")
    if others and others.left:
        notes.append(f"not taken over from run {others.run.path.name}, because they are not finished: ")
        notes[-1] += some_of(others.left)
    try:
        for trial in trials:
            note_use(run, trial, known.sha256)
    except (OSError, RunError) as error:
        notes.append(f"could not note in {run.ledger} that these test images were read: {error}")
    return Imported(run=run, trials=tuple(trials), notes=tuple(notes))


def _finished(run: RunDir) -> _Beside:
    """The trials of `run` whose rows can stand beside others. Raises `RunError` where there are none."""
    plan = run.read_plan()
    if plan.smoke:
        raise RunError(f"{run.path.name}: a smoke run, whose table compares nothing; name a whole run")
    tested = [(trial, digest) for trial, digest in _with_digests(plan) if not trial.search]
    shards = [
        read_finished(run.shard(trial.name), digest) or read_finished(run.shard(trial.name), trial.digest)
        for trial, digest in tested
    ]
    good = [(trial, digest, shard) for (trial, digest), shard in zip(tested, shards, strict=True) if shard]
    if not good:
        raise RunError(f"{run.path.name}: no trial of it is finished; wait for it, or leave out --beside")
    left = tuple(trial.name for (trial, _), shard in zip(tested, shards, strict=True) if shard is None)
    trials, _, found = zip(*good, strict=True)
    return _Beside(run, plan, trials, tuple(shard.digest for shard in found), found, left)


def _with_digests(plan: Plan) -> list[tuple[Trial, str]]:
    """Each trial with its planned digest, which another version may have computed."""
    planned = plan.digests or tuple(trial.digest for trial in plan.trials)
    return list(zip(plan.trials, planned, strict=True))


def _data_of(others: _Beside) -> DataConfig | None:
    """The data of most trials, whole: of a limited draw the images are paired by their identities.

    None where their images are known only by their names in an imported file.
    """
    read = [trial for trial in others.trials if trial.inputs or not trial.job.model.trained_elsewhere]
    data = Counter(replace(trial.data.unfolded, train_images=None, test_images=None) for trial in read)
    return replace(data.most_common(1)[0][0], validation_images=None) if data else None


def _check_same_data(others: _Beside, known: KnownImages) -> None:
    was = {shard.dataset_sha256 for shard in others.shards}
    if known.sha256 not in was:
        found = ", ".join(str(one)[:12] for one in was)
        raise DataError(
            f"{known.source}: SHA-256 {known.sha256[:12]}, and run {others.run.path.name} tested on {found}: other "
            "data, whose rows do not compare; restore them, or leave out --beside"
        )


def _check_names(path: Path, trials: Sequence[Trial], others: _Beside) -> None:
    taken = {trial.job.name for trial in others.trials}
    if both := sorted({trial.job.name for trial in trials} & taken):
        raise DataError(
            f"{path}: run {others.run.path.name} has a row {both[0]} already; give the architecture another name"
        )


def _trials(answers: Sequence[Answers], data: DataConfig, known: KnownImages, *, pinned: bool) -> list[Trial]:
    """A trial for each of `answers`. `pinned`: the data set is one, and its content is an input."""
    inputs = {f"data {data.dataset}": known.sha256} if pinned else {}
    trials: list[Trial] = []
    named: dict[str, str] = {}
    for architecture, group in groupby(answers, key=lambda one: one.architecture):
        name = job_name(architecture)
        if other := named.get(name):
            raise DataError(
                f"architectures {shown(other)} and {shown(architecture)} would both be called {name}; rename one"
            )
        named[name] = architecture
        seeds = list(group)
        model = ExternalConfig(name=architecture, answers=_sha256(seeds))
        job = JobSpec(name=name, model=model)
        trials += [Trial(job=job, data=data, seed=one.seed, inputs=inputs) for one in seeds]
    return trials


def job_name(architecture: str) -> str:
    """The name of an architecture as names of jobs are: small letters, digits and _. Raises `DataError`."""
    if len(architecture) > LONGEST_NAME:
        raise DataError(f"architecture {shown(architecture)}: {len(architecture):,} characters, {LONGEST_NAME} at most")
    plain = re.sub(r"[^a-z0-9]+", "_", architecture.lower()).strip("_")[:60]
    if not plain:
        raise DataError(f"architecture {shown(architecture)}: wanted a name with letters a to z or digits")
    return plain if plain[0].isalpha() else f"net_{plain}"


def _sha256(seeds: Sequence[Answers]) -> str:
    """Over the answers of all seeds of an architecture."""
    digest = hashlib.sha256()
    for one in seeds:
        found = one.predictions
        digest.update(f"{one.seed} {found.probabilities is not None} ".encode() + found.y_pred.tobytes())
        if found.probabilities is not None:
            digest.update(found.probabilities.tobytes())
    return digest.hexdigest()


def _make_run(
    runs: Path,
    trials: Sequence[Trial],
    answers: Sequence[Answers],
    known: KnownImages,
    others: _Beside | None,
    command: str,
) -> RunDir:
    """Write the run: the results first, then the plan, without which a directory is no run."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    own = tuple(trial.digest for trial in trials)
    plan = Plan(
        run_id=new_run_id(runs, trials[0].data.dataset),
        created_at=now,
        smoke=False,
        trials=(*(others.trials if others else ()), *trials),
        device=others.plan.device if others else "auto",
        digests=(*(others.digests if others else ()), *own),
        margin_points=others.plan.margin_points if others else None,
        command=command,
    )
    commit, changed = source_commit()

    def write(run: RunDir) -> None:
        if others:
            _copy(others, run)
        for trial, one in zip(trials, answers, strict=True):
            write_predictions(run.predictions(trial.name), one.predictions)
            shard = unfinished(trial, "ok", "").updated(
                **from_predictions(one.predictions, detects=False),
                classes=len(known.classes),
                dataset_sha256=known.sha256,
                split=known.split,
                lab2_version=lab2.__version__,
                git_commit=commit,
                git_dirty=changed,
                started_at=now,
                ended_at=now,
            )
            write_shard(run.shard(trial.name), shard)

    return create_run(runs, plan, write)


def _copy(others: _Beside, run: RunDir) -> None:
    """What the finished trials left, what was found in their data, and the looks that were planned at a pair."""
    source = others.run
    origin = {shard.trial: Taken(run=source.path.name, started_at=shard.started_at) for shard in others.shards}
    write_taken(run.taken, origin)  # before the shards, which would count as computed here without it
    for trial in others.trials:
        copy_results(source, run, trial.name)
    with suppress(FileNotFoundError):
        findings = read_regular(source.findings, LISTS)
        run.data.mkdir()
        write_whole(run.findings, findings)
    with suppress(FileNotFoundError):
        write_whole(run.looks, read_regular(source.looks, LISTS))
