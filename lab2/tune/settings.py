"""The settings that a search tries: setting i of a job is a pure function of the study's seed, the job and i.

No trial has to know of another: there is no coordinator, no shared file and no lock, and a Slurm array runs them.

Source: Sobol 1967, scrambled as in Matousek 1998 (a random matrix and a shift), by `scipy.stats.qmc`. Such points fill
the space more evenly than independent ones do (for tuning: Bousquet et al. 2017, arXiv:1706.03200).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from lab2.spec.space import Dimension, Range, Value


def settings_of(space: Mapping[str, Dimension], study_seed: int, job: str, i: int) -> dict[str, Value]:
    """Setting `i` of the job named `job`: a value by dotted name, sorted; `apply_settings` makes a job of it.

    Setting 0 is empty: the job's own recipe as it stands. So a study compares the default with what it found, on the
    same images and at the same budget, and never chooses a recipe that validated worse. The others are points 0, 1, ...
    of a scrambled Sobol sequence; each is the same however many there are.
    """
    if i == 0:
        return {}
    shares = _point(len(space), study_seed, job, i - 1)
    return {name: dimension.at(share) for (name, dimension), share in zip(sorted(space.items()), shares, strict=True)}


@lru_cache(maxsize=4096)
def _point(dimensions: int, study_seed: int, job: str, number: int) -> tuple[float, ...]:
    """One point, cached: scrambling a sequence takes longer than all else that is done with a setting."""
    return tuple(points(dimensions, study_seed, job, number, 1)[0].tolist())


def points(dimensions: int, study_seed: int, job: str, first: int, count: int) -> NDArray[np.float64]:
    """Points `first` to `first + count - 1` of the job's sequence: (count, dimensions), each in [0, 1)."""
    sequence = qmc.Sobol(dimensions, scramble=True, rng=np.random.default_rng(stable_seed(study_seed, job)))
    if first:  # scipy cannot go forward by nothing
        sequence.fast_forward(first)
    # One after the other: scipy would warn that some numbers of points are less even than others.
    return np.concatenate([sequence.random(1) for _ in range(count)]) if count else np.empty((0, dimensions))


def stable_seed(study_seed: int, job: str) -> int:
    """A number of 128 bits, the same on every machine: Python's own hash of a text is not."""
    return int.from_bytes(hashlib.sha256(f"{study_seed}\n{job}".encode()).digest()[:16], "big")


def unit_points(space: Mapping[str, Dimension], settings: list[Mapping[str, Value]]) -> NDArray[np.float64]:
    """(N, D) for the names of `space`, sorted: where the values of `settings` lie on their scale, 0 to 1.

    A choice is the number of the value in its list. All `settings` have all names.
    """
    names = sorted(space)
    return np.array([[_place(space[name], one[name]) for name in names] for one in settings]).reshape(-1, len(names))


def _place(dimension: Dimension, value: Value) -> float:
    if isinstance(dimension, Range):
        assert isinstance(value, int | float)
        return dimension.place(value)
    return float(dimension.values.index(value))
