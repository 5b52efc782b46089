"""Checks on the launching machine before any trial starts: data, networks, devices."""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch

from lab2.data.datasets import DataShape, check_data
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


def local_gpus(device: str) -> list[str]:
    """The GPUs for trials on this machine: all visible ones, the one that `device` names, or none.

    Each is called what `CUDA_VISIBLE_DEVICES` takes, or `HIP_VISIBLE_DEVICES` under ROCm: its number in the driver's
    order, or where that variable names GPUs by UUID, or parts of them (`MIG-...`), as it does. Raises `ResourceError`
    where `device` does not exist. Source: CUDA C++ Programming Guide, "CUDA Environment Variables"; ROCm's "GPU
    isolation techniques": HIP counts among those that ROCR_VISIBLE_DEVICES leaves; CUDA's variable is its second name.
    """
    chosen = choose_device(device)
    if chosen.type != "cuda":
        return []
    seen = torch.cuda.device_count()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    if torch.version.hip:
        visible = os.environ.get("HIP_VISIBLE_DEVICES") or visible
    names = [name.strip() for name in visible.split(",")]
    if names == [""]:
        names = [str(number) for number in range(seen)]
    elif not all(name.startswith("MIG-") for name in names):  # of several parts a process sees the first alone
        names = names[:seen]  # the rest are behind an entry that names none
    return names if device in ("auto", "cuda") else [names[chosen.index or 0]]
