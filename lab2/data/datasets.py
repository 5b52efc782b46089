"""What a trial gets of a data set: training, validation and test images, and what the models must know."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from lab2.data.places import open_source
from lab2.data.rearranged import rearranged
from lab2.data.source import Facts, Images, Source
from lab2.data.split import draw, split
from lab2.data.stored import StoredPixels
from lab2.errors import DataError
from lab2.spec.job import DataConfig, Trial


@dataclass(frozen=True, slots=True)
class DataShape:
    """What the models must know of a data set."""

    channels: int
    side: int  # pixels
    classes: tuple[str, ...]
    mean: tuple[float, ...]  # of each channel of the training images, in [0, 1]
    std: tuple[float, ...]
    plain_background: bool  # the images' rims are empty, so ink has an outline

    @property
    def in_colour(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and deviation of three channels, which are equal where the images are grey."""
        times = 3 if self.channels == 1 else 1
        return self.mean * times, self.std * times

    boxes: bool = False  # the images have boxes


@dataclass(frozen=True, slots=True)
class TrainingData:
    """All that a trial sees before it is done training."""

    train: Images
    validation: Images
    shape: DataShape
    sha256: str
    facts: Facts


class _Once:
    """A data set of which each part is read once."""

    def __init__(self, source: Source) -> None:
        self.classes, self.facts = source.classes, source.facts
        self.read, self.sha256 = cache(source.read), cache(source.sha256)


def load_training(config: DataConfig, source: Source | None = None) -> TrainingData:
    """Training and validation images; the test images are not read. Raises `DataError`.

    `source`: the data set that `config` names, where it is open.
    """
    source = source or open_source(config)
    facts = source.facts
    if config.fold is not None:
        facts = replace(facts, split=f"{facts.split}; fold {config.fold} of {config.folds} validates")
    given = source.read("validation") if facts.validation else None
    train, validation = (rearranged(one, config) for one in split(source.read("train"), config, given))
    pixels = train.pixels
    if isinstance(pixels, StoredPixels):
        black = pixels.black_rim_share()
        colours = [pixels.mean_and_deviation(channel) for channel in range(pixels.shape[1])]
    else:
        rim = np.concatenate([pixels[:, :, [0, -1], :].ravel(), pixels[:, :, :, [0, -1]].ravel()])
        black = float((rim == 0).mean())
        colours = [mean_and_deviation(pixels[:, channel]) for channel in range(pixels.shape[1])]
    shape = DataShape(
        channels=pixels.shape[1],
        side=pixels.shape[2],
        classes=source.classes,
        mean=tuple(mean / 255 for mean, _ in colours),
        std=tuple(max(deviation / 255, 1e-3) for _, deviation in colours),
        plain_background=black > 0.5,
        boxes=train.objects is not None,
    )
    return TrainingData(train, validation, shape, source.sha256(), facts)


def mean_and_deviation(pixels: NDArray[np.uint8]) -> tuple[float, float]:
    """Mean and standard deviation of all `pixels`, from how often each of the 256 values occurs.

    Exact, and without the copy in float64, of eight times the size, that numpy's own would make.
    """
    counts = np.zeros(256, np.int64)
    for start in range(0, len(pixels), 1000):  # numpy counts in a copy of eight times the size
        counts += np.bincount(pixels[start : start + 1000].ravel(), minlength=256)
    values = np.arange(256)
    number, total, squares = int(counts.sum()), int(counts @ values), int(counts @ values**2)
    return total / number, math.sqrt(number * squares - total * total) / number


def load_test(config: DataConfig, source: Source | None = None) -> Images:
    """The test images as they are read, once, at the end of a trial; `rearranged` gives them the form of a trial.

    Raises `DataError`.
    """
    images = (source or open_source(config)).read("test")
    return draw(images, config.test_images, config.dataset, "data.test_images")


def check_data(trials: Sequence[Trial]) -> Iterator[tuple[Trial, TrainingData]]:
    """Read all that `trials` would; yields one trial of each job and what it would train on. Raises `DataError`.

    Each data set is read once, also where jobs with one side stand between jobs with another. Its test images are read
    where a trial is tested on them.
    """
    sources: dict[DataConfig, Source] = {}
    for config in dict.fromkeys(trial.data for trial in trials):
        if config.source not in sources:
            sources = {config.source: _Once(open_source(config))}  # the last one alone: a set may fill the memory
        data = load_training(config, sources[config.source])
        group = [trial for trial in trials if trial.data == config]
        if not all(trial.search for trial in group):
            load_test(config, sources[config.source])
        for _, seeds in itertools.groupby(group, key=lambda trial: trial.job):
            trial = next(seeds)
            check_batch(trial, data.train)
            yield trial, data


def check_batch(trial: Trial, train: Images) -> None:
    """Raise `DataError` for a batch that is larger than the training images."""
    if trial.job.model.fitted:
        return  # to all of them at once
    size = trial.job.train.batch_size
    if size > len(train) and trial.job.train.images is None:  # with it the batch becomes one for the data
        raise DataError(
            f"{trial.job.name}: train.batch_size={size} is larger than the {len(train)} training images of "
            f"{trial.data.dataset}; set it to {len(train)} or less, or give the length by train.images, with which "
            "the batch fits the data"
        )
