"""Which of the same test images each of some trials is right about: from its predictions, aligned image by image.

Two trials are paired by the identities of their images. Where these are not known (predictions of an older lab2), or
differ because jobs have their pictures decoded at different sides, they are paired by place, if both drew the same test
images of the same data set (by its SHA-256) and have the same labels.

The trials may be of one run, or of two (`two_runs.py`).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab2.errors import ShardError
from lab2.foreign_text import one_line
from lab2.measure.predictions import Predictions, read_predictions
from lab2.results.collect import Comparison
from lab2.results.completion import check_predictions
from lab2.results.copies import as_cases, copies_among
from lab2.results.run_dir import RunDir
from lab2.spec.job import DataConfig
from lab2.spec.plan import some_of

MOST_ANSWERS = 50_000_000  # of all trials: beyond, reading and comparing them takes minutes and gigabytes
MOST_ROWS = 40  # 780 pairs

_COLUMNS = ("status", "trial", "accuracy", "test_images", "dataset_sha256")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answered:
    """What a trial answered, and where in its predictions each of the images is."""

    trial: str
    arm: str
    path: Path  # of its predictions
    right: NDArray[np.bool_]  # of its own images, in their order
    index: NDArray[np.intp] | None = None  # (N,) places of the images that are compared; None: they are its own


@dataclass(frozen=True, slots=True, eq=False)
class Correctness:
    """By arm, (S, N) whether each finished seed is right about each of the same N images. An arm of a run is a job."""

    right: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()  # what is not in it and why, a sentence each
    groups: NDArray[np.int64] | None = None  # (N,) images of one writer, patient or scene have one number
    images: NDArray[np.uint64] | None = None  # (N,) identities, if known
    elsewhere: frozenset[str] = frozenset()  # arms with trials that were tested on other images
    trials: tuple[Answered, ...] = ()  # those of `right`, arm by arm
    truth: NDArray[np.int64] | None = None  # (N,) labels


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Collected:
    """A run and its collected trials. `prefix` stands before the names of its jobs and trials among several runs."""

    run: RunDir
    comparison: Comparison
    prefix: str = ""

    @property
    def jobs(self) -> tuple[str, ...]:
        """The names of its jobs, in plan order."""
        return tuple(dict.fromkeys(self.prefix + trial.job.name for trial in self.comparison.plan.trials))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """A trial that has ended well, and where its predictions are."""

    name: str  # in notes
    arm: str  # what its seed belongs to
    predictions: Path
    accuracy: float | None  # what its shard says of them
    test_images: int | None
    dataset_sha256: str | None
    data: DataConfig


@dataclass(slots=True, eq=False)
class _TestSet:
    """Some trials' test images in one order; `identities` are variants of the same images (one for each side)."""

    dataset: str | None  # SHA-256
    truth: NDArray[np.int64]
    groups: NDArray[np.int64] | None = None
    identities: dict[bytes, NDArray[np.uint64]] = field(default_factory=dict)
    anonymous: bool = False  # of some trials no identities are known
    trials: list[Answered] = field(default_factory=list)

    @property
    def by_place(self) -> bool:
        """Whether identities alone do not say that its trials' images are the same."""
        return len(self.trials) > 1 and (self.anonymous or len(self.identities) > 1)


def read_correctness(*runs: Collected) -> Correctness:
    """The correctness of the finished trials of `runs`. What cannot be read or paired is left out, and is noted.

    It is empty where there is nothing, or too much of it.
    """
    names = [name for one in runs for name in one.jobs]
    good = [trial for one in runs for trial in _tested(one)]
    if not good:
        return Correctness()
    answers = answers_of(good)
    if answers > MOST_ANSWERS or len(names) > MOST_ROWS:
        return Correctness(
            notes=(
                f"not compared: {len(names)} rows and {answers:,} answers on test images, where {MOST_ROWS} and "
                f"{MOST_ANSWERS:,} are the most",
            )
        )
    return aligned(names, good)


def answers_of(trials: Iterable[Tested]) -> int:
    """How many test images they have answered, all together."""
    return sum(one.test_images or 0 for one in trials)


def aligned(arms: Sequence[str], trials: Iterable[Tested], *, other_data: bool = False) -> Correctness:
    """The correctness of `trials` on the same test images, the arms in that order. Reads their predictions.

    What cannot be read or paired is left out, and is noted. `other_data`: also trials whose data sets differ are
    paired, if the identities of their test images are the same; without it only trials of the same data are.
    """
    sets, notes = _read(trials)
    found = _aligned(list(sets.values()), arms, other_data=other_data)
    return replace(found, notes=tuple(map(one_line, [*notes, *found.notes])))


def _tested(one: Collected) -> Iterator[Tested]:
    """The trials of the run that have ended well, from the columns that are needed."""
    columns = [one.comparison.table[name].to_pylist() for name in _COLUMNS]
    for trial, status, name, accuracy, images, digest in zip(one.comparison.plan.trials, *columns, strict=True):
        if status == "ok":
            yield Tested(
                name=one.prefix + name, arm=one.prefix + trial.job.name, predictions=one.run.predictions(name),
                accuracy=accuracy, test_images=images, dataset_sha256=digest, data=trial.data,
            )  # fmt: skip


def _read(trials: Iterable[Tested]) -> tuple[dict[Any, _TestSet], list[str]]:
    """The test sets, by what makes two trials' images the same by place, and notes on what cannot be read."""
    sets: dict[Any, _TestSet] = {}
    absent: list[str] = []
    wrong: dict[str, str] = {}
    for one in trials:
        path = one.predictions
        try:
            if not path.exists() and not path.is_symlink():
                absent.append(one.name)
                continue
            predictions = read_predictions(path, probabilities=False)
            check_predictions(predictions, path, one.accuracy, one.test_images)
        except (ShardError, OSError) as error:
            wrong[one.name] = str(error)
            continue
        found = sets.setdefault(_place(one, predictions), _TestSet(one.dataset_sha256, predictions.y_true))
        if predictions.groups is not None:
            found.groups = predictions.groups
        if predictions.images is None:
            found.anonymous = True
        else:
            found.identities.setdefault(_digest(predictions.images), predictions.images)
        found.trials.append(Answered(trial=one.name, arm=one.arm, path=path, right=predictions.right))
    notes = [f"not compared, because they have no predictions: {some_of(absent)}"] if absent else []
    if wrong:
        first = next(iter(wrong.values()))
        notes.append(
            "not compared, because their predictions are broken or not those of their shard: "
            f"{some_of(list(wrong))} ({first})"
        )
    return sets, notes


def _place(trial: Tested, predictions: Predictions) -> tuple[object, ...]:
    """Trials with equal ones have the same image in the same place."""
    truth, data = _digest(predictions.y_true), trial.data
    if trial.dataset_sha256 is not None:
        return trial.dataset_sha256, (data.dataset, data.test_images, data.test_share), truth
    known = predictions.images
    return ("identities", _digest(known), truth) if known is not None else ("alone", trial.name)


def _digest(array: NDArray[Any]) -> bytes:
    return hashlib.blake2b(array.tobytes(), digest_size=16).digest()


def _aligned(sets: list[_TestSet], arms: Sequence[str], *, other_data: bool) -> Correctness:
    """The correctness of all trials that tested on the images of one of the sets, in its order; notes on the others.

    It is the set with which most arms can be compared, then most trials, then most images, then the first.
    """
    if not sets:
        return Correctness()
    best: tuple[tuple[int, int, int], _TestSet, list[NDArray[np.intp] | None]] | None = None
    for candidate in sets:
        where = [_within(one, candidate, other_data=other_data) for one in sets]
        joined = [trial for one, index in zip(sets, where, strict=True) if index is not None for trial in one.trials]
        size = len({trial.arm for trial in joined}), len(joined), len(candidate.truth)
        if best is None or size > best[0]:
            best = size, candidate, where
    assert best is not None
    _, chosen, where = best
    trials = [
        replace(trial, index=None if one is chosen else index)
        for one, index in zip(sets, where, strict=True)
        if index is not None
        for trial in one.trials
    ]
    trials.sort(key=lambda trial: arms.index(trial.arm))
    right = {
        arm: np.stack([one.right if one.index is None else one.right[one.index] for one in of_arm])
        for arm, of_arm in groupby(trials, key=lambda trial: trial.arm)
    }
    elsewhere = (one.trials for one, index in zip(sets, where, strict=True) if index is None)
    images = next(iter(chosen.identities.values()), None)
    notes, groups = [*_notes(sets, chosen, where, other_data=other_data)], chosen.groups
    if images is not None and (copies := copies_among(images)):
        notes.append(f"{copies:,} of the {len(images):,} test images are copies of others: they count as one case")
        groups = as_cases(images, groups)
    return Correctness(
        right=right, notes=tuple(notes), groups=groups, images=images,
        elsewhere=frozenset(trial.arm for trials in elsewhere for trial in trials),
        trials=tuple(trials), truth=chosen.truth,
    )  # fmt: skip


def _notes(
    sets: list[_TestSet], chosen: _TestSet, where: list[NDArray[np.intp] | None], *, other_data: bool
) -> Iterator[str]:
    images, largest = len(chosen.truth), max(len(one.truth) for one in sets)
    joined = [one for one, index in zip(sets, where, strict=True) if index is not None]
    if others := _names(one for one, index in zip(sets, where, strict=True) if index is None):
        same = f"the same {images:,} images" + " of the same data" * (not other_data)
        yield f"not compared, because they were not tested on {same}: {some_of(others)}"
    if any(len(one.truth) > images for one in joined):
        yield f"compared on the {images:,} test images that all rows have, of up to {largest:,}"
    if by_place := _names(one for one in joined if one.by_place):
        yield (
            "paired by their place in the same test set, because the images have no identities (an older lab2) or were "
            f"decoded in several ways: {some_of(by_place)}"
        )


def _names(sets: Iterable[_TestSet]) -> list[str]:
    return [trial.trial for one in sets for trial in one.trials]


def _within(one: _TestSet, wanted: _TestSet, *, other_data: bool) -> NDArray[np.intp] | None:
    """Where in `one` each of the `wanted` images is; None where one is not, or has another label.

    None also where they are of other data, unless `other_data`.
    """
    if one is wanted:
        return np.arange(len(one.truth))
    if not other_data and None not in (one.dataset, wanted.dataset) and one.dataset != wanted.dataset:
        return None  # what they trained on was not the same either
    for images in one.identities.values():
        places = {key: place for place, key in enumerate(_counted(images))}
        for others in wanted.identities.values():
            index = np.array([places.get(key, -1) for key in _counted(others)], dtype=np.intp)
            if (index >= 0).all() and (one.truth[index] == wanted.truth).all():
                return index
    return None


def _counted(images: NDArray[np.uint64]) -> Iterator[tuple[int, int]]:
    """Each identity with how often it came before: a picture that is there twice is two images."""
    seen: Counter[int] = Counter()
    for one in images.tolist():
        yield one, seen[one]
        seen[one] += 1


def aligned_predictions(one: Answered) -> Predictions:
    """All that a trial predicted for the N images that are compared, in their order. Raises `ShardError`."""
    read, index = read_predictions(one.path), one.index
    if read.right.shape != one.right.shape or (read.right != one.right).any():
        raise ShardError(f"{one.path}: it has just changed; try again")
    if index is None:
        return read
    probabilities = None if read.probabilities is None else read.probabilities[index]
    return Predictions(read.y_true[index], read.y_pred[index], probabilities)
