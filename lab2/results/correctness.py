"""Which of the same test images each trial of a run is right about: from its predictions, aligned image by image.

Two trials are paired by the identities of their images. Where these are not known (predictions of an older lab2), or
differ because jobs have their pictures decoded at different sides, they are paired by place, if both drew the same test
images of the same data set (by its SHA-256) and have the same labels.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab2.errors import ShardError
from lab2.foreign_text import one_line
from lab2.measure.predictions import Predictions, read_predictions
from lab2.results.collect import Comparison
from lab2.results.completion import check_predictions
from lab2.results.run_dir import RunDir
from lab2.spec.plan import some_of

MOST_ANSWERS = 50_000_000  # of all trials: beyond, reading and comparing them takes minutes and gigabytes
MOST_ROWS = 40  # 780 pairs

_COLUMNS = ("trial", "job", "status", "accuracy", "test_images", "dataset_sha256")


@dataclass(frozen=True, slots=True, eq=False)
class Correctness:
    """By job, (S, N) whether each finished seed is right about each of the same N images; the jobs in plan order."""

    right: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()  # what is not in it and why, a sentence each
    groups: NDArray[np.int64] | None = None  # (N,) images of one writer, patient or scene have one number
    trials: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # by job, S names, in the order of its rows
    truth: NDArray[np.int64] | None = None  # (N,) the right labels; None: nothing is compared
    images: NDArray[np.uint64] | None = None  # (N,) identities; None: nothing is compared, or they are not known


@dataclass(slots=True, eq=False)
class _TestSet:
    """Some trials' test images in one order; `identities` are variants of the same images (one for each side)."""

    dataset: str | None  # SHA-256
    truth: NDArray[np.int64]
    groups: NDArray[np.int64] | None = None
    identities: dict[bytes, NDArray[np.uint64]] = field(default_factory=dict)
    anonymous: bool = False  # of some trials no identities are known
    trials: list[tuple[str, str, NDArray[np.bool_]]] = field(default_factory=list)  # name, job, right

    @property
    def by_place(self) -> bool:
        """Whether identities alone do not say that its trials' images are the same."""
        return len(self.trials) > 1 and (self.anonymous or len(self.identities) > 1)


def read_correctness(run: RunDir, comparison: Comparison) -> Correctness:
    """The correctness of the finished trials of `run`. What cannot be read or paired is left out, and is noted.

    It is empty where there is nothing to compare: fewer than two jobs are planned, or there is too much of it.
    """
    names = list(dict.fromkeys(trial.job.name for trial in comparison.plan.trials))
    good = [row for row in _rows(comparison) if row["status"] == "ok"]
    if len(names) < 2 or not good:
        return Correctness()
    answers = sum(row["test_images"] or 0 for row in good)
    if answers > MOST_ANSWERS or len(names) > MOST_ROWS:
        return Correctness(
            notes=(
                f"not compared: {len(names)} rows and {answers:,} answers on test images, where {MOST_ROWS} and "
                f"{MOST_ANSWERS:,} are the most",
            )
        )
    sets, notes = _read(run, good)
    return _aligned(list(sets.values()), names, notes)


def _rows(comparison: Comparison) -> Iterator[dict[str, Any]]:
    """The columns that are needed of each trial's row, and which test images it was to draw."""
    columns = [comparison.table[name].to_pylist() for name in _COLUMNS]
    for trial, *values in zip(comparison.plan.trials, *columns, strict=True):
        data = trial.data
        yield {**dict(zip(_COLUMNS, values, strict=True)), "draw": (data.dataset, data.test_images, data.test_share)}


def _read(run: RunDir, good: list[dict[str, Any]]) -> tuple[dict[Any, _TestSet], list[str]]:
    """The test sets, by what makes two trials' images the same by place, and notes on what cannot be read."""
    sets: dict[Any, _TestSet] = {}
    absent: list[str] = []
    wrong: dict[str, str] = {}
    for row in good:
        name = row["trial"]
        path = run.predictions(name)
        try:
            if not path.exists() and not path.is_symlink():
                absent.append(name)
                continue
            predictions = read_predictions(path, probabilities=False)
            check_predictions(predictions, path, row["accuracy"], row["test_images"])
        except (ShardError, OSError) as error:
            wrong[name] = str(error)
            continue
        found = sets.setdefault(_place(row, predictions), _TestSet(row["dataset_sha256"], predictions.y_true))
        found.groups = predictions.groups
        if predictions.images is None:
            found.anonymous = True
        else:
            found.identities.setdefault(_digest(predictions.images), predictions.images)
        found.trials.append((name, row["job"], predictions.right))
    notes = [f"not compared, because they have no predictions: {some_of(absent)}"] if absent else []
    if wrong:
        first = next(iter(wrong.values()))
        notes.append(
            "not compared, because their predictions are broken or not those of their shard: "
            f"{some_of(list(wrong))} ({first})"
        )
    return sets, notes


def _place(row: Mapping[str, Any], predictions: Predictions) -> tuple[object, ...]:
    """Trials with equal ones have the same image in the same place."""
    truth = _digest(predictions.y_true)
    if row["dataset_sha256"] is not None:
        return row["dataset_sha256"], row["draw"], truth
    known = predictions.images
    return ("identities", _digest(known), truth) if known is not None else ("alone", row["trial"])


def _digest(array: NDArray[Any]) -> bytes:
    return hashlib.blake2b(array.tobytes(), digest_size=16).digest()


def _aligned(sets: list[_TestSet], names: list[str], notes: list[str]) -> Correctness:
    """The correctness of all trials that tested on the images of one of the sets; notes on the others follow `notes`.

    It is the set with which most jobs can be compared, then most trials, then most images. `names`: the jobs in order.
    """
    if not sets:
        return Correctness(notes=tuple(map(one_line, notes)))
    best: tuple[tuple[int, int, int], _TestSet, list[NDArray[np.intp] | None]] | None = None
    for candidate in sets:
        where = [_within(one, candidate) for one in sets]
        joined = [trial for one, index in zip(sets, where, strict=True) if index is not None for trial in one.trials]
        size = len({job for _, job, _ in joined}), len(joined), len(candidate.truth)
        if best is None or size > best[0]:
            best = size, candidate, where
    assert best is not None
    _, chosen, where = best
    right: dict[str, list[NDArray[np.bool_]]] = {}
    trials: dict[str, list[str]] = {}
    for one, index in zip(sets, where, strict=True):
        if index is not None:
            for trial, job, of_trial in one.trials:
                right.setdefault(job, []).append(of_trial[index])
                trials.setdefault(job, []).append(trial)
    there = [name for name in names if name in right]
    return Correctness(
        right={job: np.stack(right[job]) for job in there},
        notes=tuple(map(one_line, [*notes, *_notes(sets, chosen, where)])),
        groups=chosen.groups,
        trials={job: tuple(trials[job]) for job in there},
        truth=chosen.truth,
        images=next(iter(chosen.identities.values()), None),
    )


def _notes(sets: list[_TestSet], chosen: _TestSet, where: list[NDArray[np.intp] | None]) -> Iterator[str]:
    images, largest = len(chosen.truth), max(len(one.truth) for one in sets)
    joined = [one for one, index in zip(sets, where, strict=True) if index is not None]
    if others := _names(one for one, index in zip(sets, where, strict=True) if index is None):
        same = f"the same {images:,} images of the same data"
        yield f"not compared, because they were not tested on {same}: {some_of(others)}"
    if any(len(one.truth) > images for one in joined):
        yield f"compared on the {images:,} test images that all rows have, of up to {largest:,}"
    if by_place := _names(one for one in joined if one.by_place):
        yield (
            "paired by their place in the same test set, because the images have no identities (an older lab2) or were "
            f"decoded in several ways: {some_of(by_place)}"
        )


def _names(sets: Iterable[_TestSet]) -> list[str]:
    return [name for one in sets for name, _, _ in one.trials]


def _within(one: _TestSet, wanted: _TestSet) -> NDArray[np.intp] | None:
    """Where in `one` each of the `wanted` images is; None where one is not, or has another label, or other data."""
    if one is wanted:
        return np.arange(len(one.truth))
    if None not in (one.dataset, wanted.dataset) and one.dataset != wanted.dataset:
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
