"""Classes: F1 of each, who takes which for which, and the images that hardly any network is right about."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from lab2.measure.predictions import NO_PREDICTION
from lab2.report.page.answers import Answers, JobAnswers
from lab2.report.page.pictures import Chosen
from lab2.results.correctness import Correctness

MOST_CLASSES = 100  # of F1; of more the worst
MOST_COLUMNS = 60  # jobs of that table, and confusion matrices
HEAT = 9  # shades, of page.css
NOTHING = "nothing found"  # a detector's answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Shaded:
    """A cell and its shade, 0 to `HEAT`."""

    text: str
    names: tuple[str, ...] = ()  # of the classes in the text
    value: float | None = None  # the number, where `text` rounds it
    heat: int = 0
    right: bool = False  # a right answer
    box: tuple[float, ...] = ()  # a detector's: left, top, right, bottom as shares of the side


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRow:
    """F1 of one class, by job."""

    name: str
    images: int
    cells: tuple[Shaded, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """Images of one class that get the name of another."""

    truth: str
    said: str
    images: str  # how many

    @property
    def text(self) -> str:
        """As a sentence."""
        return f"{self.truth} taken for {self.said}: {self.images}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """The confusion matrix of a job; of many classes its largest entries alone."""

    job: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Shaded, ...]], ...]
    confusions: tuple[Confusion, ...]  # the commonest first


@dataclass(frozen=True, slots=True, kw_only=True)
class Hard:
    """An image that few are right about."""

    place: int  # its number in the sprite
    number: int  # among the compared images, from 0
    truth: str
    share: float  # of the trained rows, on average, that are right
    said: tuple[Shaded, ...]  # by each job


def f1_rows(answers: Answers, jobs: Sequence[str], classes: Sequence[str]) -> list[ClassRow]:
    """A row a class, the worst first where there are more than `MOST_CLASSES`."""
    shown = [answers.jobs[job] for job in jobs[:MOST_COLUMNS]]
    count = min((len(one.f1) for one in shown), default=0)
    if not count:
        return []
    table = np.stack([one.f1[:count] for one in shown])  # (jobs, K)
    order = np.arange(count)
    if count > MOST_CLASSES:
        order = np.argsort(np.where(np.isnan(table), 2.0, table).mean(0), kind="stable")[:MOST_CLASSES]
    heat = _heat(1 - table[:, order])
    return [
        ClassRow(
            name=classes[label],
            images=int(shown[0].images[label]),
            cells=tuple(
                Shaded(text="–" if math.isnan(table[row, label]) else f"{table[row, label]:.3f}", heat=heat[row][place])
                for row in range(len(shown))
            ),
        )
        for place, label in enumerate(order.tolist())
    ]


def matrices(answers: Answers, jobs: Sequence[str], classes: Sequence[str]) -> list[Matrix]:
    """Of the first `MOST_COLUMNS` jobs."""
    return [_matrix(job, answers.jobs[job], classes) for job in jobs[:MOST_COLUMNS]]


def _matrix(job: str, one: JobAnswers, classes: Sequence[str]) -> Matrix:
    confusions = tuple(
        Confusion(truth=classes[truth], said=named(said, classes, len(one.f1)), images=in_images(images))
        for truth, said, images in one.confusions
    )
    if one.matrix is None:
        return Matrix(job=job, columns=(), rows=(), confusions=confusions)
    count = len(one.f1)
    columns = count + bool(one.matrix[:, count].any())  # the last: no answer
    table = one.matrix[:, :columns]
    wrong = table.copy()
    np.fill_diagonal(wrong, 0)
    most = wrong.max() or 1.0
    rows = tuple(
        (
            classes[truth],
            tuple(
                Shaded(
                    text=in_images(value) if value else "",
                    value=None if value == round(value) else round(value, 2),
                    heat=0 if truth == said or not value else max(1, round(HEAT * value / most)),
                    right=truth == said,
                )
                for said, value in enumerate(row)
            ),
        )
        for truth, row in enumerate(table.tolist())
    )
    names = tuple(named(said, classes, count) for said in range(columns))
    return Matrix(job=job, columns=names, rows=rows, confusions=confusions)


def hardest(
    read: Correctness,
    chosen: Chosen,
    answers: Answers,
    jobs: Sequence[str],
    classes: Sequence[str],
    fixed: Iterable[str],
) -> list[Hard]:
    """The images of `chosen.hardest`, with what most seeds of each of `jobs` said."""
    if read.truth is None:
        return []
    without = set(fixed)
    judges = [right.mean(0) for job, right in read.right.items() if job not in without] or [
        right.mean(0) for right in read.right.values()
    ]
    share = np.mean(judges, axis=0)
    found = []
    for place, number in enumerate(chosen.hardest):
        label = int(read.truth[number])
        cells = tuple(_said(answers.jobs[job], place, label, classes) for job in jobs)
        found.append(Hard(place=place, number=number, truth=classes[label], share=float(share[number]), said=cells))
    return found


def _said(one: JobAnswers, place: int, truth: int, classes: Sequence[str]) -> Shaded:
    """What a job said of the wanted image number `place`, which is `truth`."""
    said = one.most_said(place)
    box = one.boxes[place].tolist() if len(one.boxes) else [math.nan]
    names = tuple(named(label, classes, len(classes)) for label in said)
    return Shaded(
        text=" or ".join(names) or "–",
        names=names,
        right=said == [truth],
        box=tuple(box) if all(map(math.isfinite, box)) else (),
    )


def named(label: int, classes: Sequence[str], count: int) -> str:
    """The name of an answer; that of none where it is `count`, the number of classes, or missing."""
    return NOTHING if label in (NO_PREDICTION, count) else classes[label]


def in_images(images: float) -> str:
    """A number of images, which is no integer where it is a mean over seeds."""
    return f"{images:,.0f}" if images >= 100 or images == round(images) else f"{images:.1f}"


def _heat(errors: np.ndarray) -> list[list[int]]:
    """Shades of errors in [0, 1]: equal steps for equal ratios, the largest darkest."""
    logs = np.log10(np.maximum(errors, 1e-4))
    low, high = np.nanmin(logs, initial=0.0), np.nanmax(logs, initial=-4.0)
    span = max(float(high - low), 0.3)
    shades: list[list[int]] = np.nan_to_num((logs - low) / span * HEAT).round().clip(0, HEAT).astype(int).tolist()
    return shades
