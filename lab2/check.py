"""What can be refused before anything starts, on the machine that launches."""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch

from lab2.data.datasets import check_data
from lab2.errors import ResourceError
from lab2.measure.hardware import choose_device
from lab2.models.building import check_model
from lab2.spec.job import DataConfig, Trial


def check_trials(trials: Sequence[Trial], device: str) -> dict[DataConfig, str]:
    """Read all that the trials would and build nothing but shapes: refuse before it costs anything.

    Returns the SHA-256 of each data set. Raises `DataError`, `ConfigError`, `WeightsError` or `ResourceError`.
    """
    choose_device(device)
    digests = {}
    for trial, data in check_data(trials):
        check_model(trial.job.model, data.shape, trial.job.train.batch_size)
        digests[trial.data] = data.sha256
    return digests


def local_gpus(device: str) -> list[int]:
    """The GPUs that trials on this machine may share out: all, the one that is asked for, or none.

    They are numbered as the driver does, also where `CUDA_VISIBLE_DEVICES` shows only some of them.
    """
    chosen = choose_device(device)
    if chosen.type != "cuda":
        return []
    shown = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    if shown == [""]:
        numbers = [*range(torch.cuda.device_count())]
    elif all(number.isdigit() for number in shown):
        numbers = [int(number) for number in shown]
    else:
        raise ResourceError(f"CUDA_VISIBLE_DEVICES={','.join(shown)}: name the GPUs by their numbers")
    return numbers if device in ("auto", "cuda") else [numbers[chosen.index or 0]]
