"""Checks on the launching machine before any trial starts: data, networks, devices."""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch

from lab2.data.datasets import DataShape, check_data
from lab2.errors import ResourceError
from lab2.measure.hardware import choose_device
from lab2.models.building import check_model
from lab2.spec.architectures import ModelConfig
from lab2.spec.job import DataConfig, Trial


def check_trials(trials: Sequence[Trial], device: str) -> dict[DataConfig, str]:
    """Read the data of the trials and check that each network can be built, without allocating its parameters.

    Returns the SHA-256 of each data set. Raises `DataError`, `ConfigError`, `WeightsError` or `ResourceError`.
    """
    choose_device(device)
    digests = {}
    checked: list[tuple[ModelConfig, DataShape, int]] = []  # a search has many trials of one network
    for trial, data in check_data(trials):
        network = (trial.job.model, data.shape, trial.job.train.batch_size)
        if network not in checked:
            check_model(*network)
            checked.append(network)
        digests[trial.data] = data.sha256
    return digests


def local_gpus(device: str) -> list[int]:
    """The GPUs for trials on this machine: all visible ones, the one that `device` names, or none.

    The numbers are the driver's, also where `CUDA_VISIBLE_DEVICES` shows only some GPUs. Raises `ResourceError` where
    that variable does not list numbers, or `device` does not exist.
    """
    chosen = choose_device(device)
    if chosen.type != "cuda":
        return []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    if visible == [""]:
        numbers = [*range(torch.cuda.device_count())]
    elif all(number.isdigit() for number in visible):
        numbers = [int(number) for number in visible]
    else:
        raise ResourceError(f"CUDA_VISIBLE_DEVICES={','.join(visible)}: name the GPUs by their numbers")
    return numbers if device in ("auto", "cuda") else [numbers[chosen.index or 0]]
