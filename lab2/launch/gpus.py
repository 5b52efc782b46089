"""Which GPU of this machine each running trial has, or which share of one."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from lab2.spec.job import Trial


class Gpus:
    """GPUs, as `CUDA_VISIBLE_DEVICES` or `HIP_VISIBLE_DEVICES` names them, and how much of each is free."""

    def __init__(self, names: Sequence[str]) -> None:
        self._free = dict.fromkeys(names, Fraction(1))

    def most(self, trial: Trial) -> int:
        """How many trials like `trial` they take at the same time."""
        return len(self._free) * trial.job.resources.trials_per_gpu

    def take(self, trial: Trial) -> str | None:
        """The GPU that is freest, with what `trial` needs of it taken; None where it has to wait."""
        gpu = max(self._free, key=self._free.__getitem__)
        if self._free[gpu] < _share(trial):
            return None
        self._free[gpu] -= _share(trial)
        return gpu

    def give_back(self, gpu: str, trial: Trial) -> None:
        """`trial`, which had `gpu` or a share of it, has ended."""
        self._free[gpu] += _share(trial)

    def memory_share(self, trial: Trial, at_once: int) -> float:
        """Of the memory of its GPU, for `trial`, where `at_once` run on all GPUs together.

        It is all of it where none is shared: each trial takes the GPU that is freest.
        """
        return 1.0 if at_once <= len(self._free) else float(_share(trial))


def _share(trial: Trial) -> Fraction:
    """Of a GPU, that a trial takes."""
    return Fraction(1, trial.job.resources.trials_per_gpu)
