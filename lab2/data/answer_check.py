"""Checks a table of predictions against the test images, row by row, and makes the predictions of each trial of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab2.data.answer_table import AnswerTable, Texts, shown
from lab2.data.known_images import TWICE, KnownImages
from lab2.errors import DataError
from lab2.measure.predictions import MOST_CLASSES, Predictions

SUM_TOLERANCE = 0.01  # how far an image's probabilities may be from a sum of 1: files have rounded ones
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """The predictions of one architecture with one seed, for all test images in their order."""

    architecture: str
    seed: int
    predictions: Predictions


def checked_answers(table: AnswerTable, known: KnownImages) -> list[Answers]:
    """The trials of `table`: architectures in the order in which they come, each with its seeds in order.

    Raises `DataError` that names the first line that is wrong, or the trial that lacks images.
    """
    if len(known.classes) > MOST_CLASSES:
        raise DataError(f"{known.source}: {len(known.classes):,} classes, {MOST_CLASSES:,} at most")
    places = _places(table, known)
    _check_labels(table, known, places)
    shares = _shares(table, known)
    answers = _predicted(table, known, shares)
    seeds = np.array([_seed(table, code) for code in range(len(table.seed.names))])[table.seed.codes]
    order = np.lexsort((places, seeds, _in_order_of_rows(table.architecture)))
    ends = np.flatnonzero(np.diff(table.architecture.codes[order]) | np.diff(seeds[order])) + 1
    found = []
    for rows in np.split(order, ends):
        _check_each_image_once(table, known, places, rows)
        of_trial = Predictions(
            known.labels, answers[rows], None if shares is None else shares[rows], known.identities, known.groups
        )
        found.append(Answers(table.architecture[rows[0]], int(seeds[rows[0]]), of_trial))
    return found


def _in_order_of_rows(texts: Texts) -> NDArray[np.int64]:
    """(N,) numbers of the texts, in the order in which they come."""
    names, first = np.unique(texts.codes, return_index=True)
    rank = np.empty(len(texts.names), np.int64)
    rank[names[np.argsort(first)]] = np.arange(len(names))
    return rank[texts.codes]


def _places(table: AnswerTable, known: KnownImages) -> NDArray[np.int64]:
    """(N,) the place of each row's image among the test images."""
    places = np.array([known.places.get(name, -1) for name in table.image.names])[table.image.codes]
    if len(wrong := np.flatnonzero(places < 0)):
        row, last = wrong[0], len(known) - 1
        what = "is the name of two" if places[row] == TWICE else "is none of the"
        raise DataError(
            f"{table.where(row)}: image {shown(table.image[row])} {what} {len(known):,} test images of {known.source}; "
            f"wanted a place in the test part, 0 to {last:,}, or a path in the data set"
        )
    return places


def _check_labels(table: AnswerTable, known: KnownImages, places: NDArray[np.int64]) -> None:
    labels = _numbers(table, "label", table.label, known)[table.label.codes]
    if len(wrong := np.flatnonzero(labels != known.labels[places])):
        row = wrong[0]
        right = known.classes[known.labels[places[row]]]
        raise DataError(
            f"{table.where(row)}: image {shown(table.image[row])} has label {shown(table.label[row])}, and "
            f"{shown(right)} in {'another line' if known.source == str(table.path) else known.source}; correct it"
        )


def _class_numbers(names: Sequence[str], classes: tuple[str, ...]) -> dict[str, int]:
    """The class that each of `names` means: all are names of classes, or else all are numbers from 0; -1: none."""
    known = {name: number for number, name in enumerate(classes)}
    numbers = {name: int(name) if re.fullmatch("[0-9]{1,9}", name) else len(classes) for name in names}
    if not known.keys() >= numbers.keys() and max(numbers.values()) < len(classes):
        return numbers
    return {name: known.get(name, -1) for name in names}


def _numbers(table: AnswerTable, kind: str, texts: Texts, known: KnownImages) -> NDArray[np.int64]:
    """The class of each distinct text of a column. Raises `DataError` for the first that is none."""
    both = [*table.label.names, *(table.prediction.names if table.prediction else ())]  # classes are named in one way
    classes, meant = known.classes, _class_numbers(both, known.classes)
    numbers = np.array([meant[name] for name in texts.names])
    if len(unknown := np.flatnonzero(numbers < 0)):
        row = min(texts.first(code) for code in unknown.tolist())
        raise DataError(
            f"{table.where(row)}: {kind} {shown(texts[row])}, wanted one of the {len(classes)} classes "
            f"({', '.join(classes[:5])}{', …' * (len(classes) > 5)}) or their numbers from 0"
        )
    return numbers


def _shares(table: AnswerTable, known: KnownImages) -> NDArray[np.float32] | None:
    """(N, K) the probability of each class, None where there are none; the columns in the order of the classes."""
    shares = table.shares
    if shares is None:
        return None
    wrong = ~((shares >= -_ROUNDING) & (shares <= 1 + _ROUNDING))  # also NaN
    if len(rows := np.flatnonzero(wrong.any(1))):
        column = int(np.argmax(wrong[rows[0]]))
        raise DataError(
            f"{table.where(rows[0])}: the probability of {table.share_names[column]} is {shares[rows[0], column]:g}, "
            "wanted a number in [0, 1]"
        )
    sums = shares.sum(1, dtype=np.float64)
    if len(rows := np.flatnonzero(np.abs(sums - 1) > SUM_TOLERANCE)):
        raise DataError(
            f"{table.where(rows[0])}: its probabilities sum to {sums[rows[0]]:.4g}, wanted 1 (within {SUM_TOLERANCE}); "
            "give those of all classes, after softmax"
        )
    return shares[:, _share_columns(table, known)].clip(0, 1)


def _share_columns(table: AnswerTable, known: KnownImages) -> NDArray[np.intp]:
    """(K,) the column that has the probability of each class. Raises `DataError` where one is absent or no class's."""
    classes, meant = known.classes, _class_numbers(table.share_names, known.classes)
    numbers = np.array([meant[name] for name in table.share_names])
    if len(unknown := np.flatnonzero(numbers < 0)):
        wrong = shown(table.share_names[unknown[0]])
        raise DataError(f"{table.path}: a column of probabilities for {wrong}, which is no class of {known.source}")
    absent = sorted(set(range(len(classes))) - set(numbers.tolist()))
    if absent or len(numbers) > len(classes):
        names = ", ".join(shown(classes[number]) for number in absent[:5]) or "none"
        raise DataError(
            f"{table.path}: {len(numbers)} columns of probabilities for {len(classes)} classes (without one: {names}); "
            "wanted one for each"
        )
    return np.argsort(numbers)


def _predicted(table: AnswerTable, known: KnownImages, shares: NDArray[np.float32] | None) -> NDArray[np.int64]:
    """(N,) the class that each row answers: its prediction, or else the most probable one."""
    if table.prediction is None:
        assert shares is not None
        likeliest: NDArray[np.int64] = shares.argmax(1)
        return likeliest
    answers = _numbers(table, "prediction", table.prediction, known)[table.prediction.codes]
    if shares is None:
        return answers
    short = shares.max(1) - shares[np.arange(len(answers)), answers]
    if len(rows := np.flatnonzero(short > _ROUNDING)):
        row = rows[0]
        likelier = known.classes[shares[row].argmax()]
        raise DataError(
            f"{table.where(row)}: prediction {shown(table.prediction[row])}, but the most probable class is "
            f"{shown(likelier)}; leave out the predictions or the probabilities"
        )
    return answers


def _seed(table: AnswerTable, code: int) -> int:
    text = table.seed.names[code]
    if not re.fullmatch("[0-9]{1,10}", text) or int(text) >= 2**31:
        raise DataError(f"{table.where(table.seed.first(code))}: seed {shown(text)}, wanted a whole number from 0")
    return int(text)


def _check_each_image_once(
    table: AnswerTable, known: KnownImages, places: NDArray[np.int64], rows: NDArray[np.int64]
) -> None:
    """`rows` are of one trial, sorted by place. Raises `DataError` for an image with two rows, or with none."""
    trial = f"{shown(table.architecture[rows[0]])} seed {table.seed[rows[0]]}"
    found = places[rows]
    if len(twice := np.flatnonzero(np.diff(found) == 0)):
        first, second = sorted(rows[[twice[0], twice[0] + 1]].tolist())
        raise DataError(
            f"{table.where(second)}: a second row for image {shown(table.image[second])} of {trial}; the first is "
            f"{table.where(first).rpartition(': ')[2]}"
        )
    if len(found) < len(known):
        absent = np.setdiff1d(np.arange(len(known)), found)
        raise DataError(
            f"{table.path}: {trial} has no row for {len(absent):,} of {len(known):,} test images, the first of which "
            f"is {shown(known.names[absent[0]])}; all must be answered, for rows are compared on the same images"
        )
