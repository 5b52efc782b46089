"""The state of all random number generators that a network may draw from."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

RandomState = dict[str, Any]  # tensors, numbers, strings, and lists of them: `torch.load` reads them as data


def random_state() -> RandomState:
    """The state of Python's own generator and of numpy's global one."""
    version, numbers, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    return {
        "python": [version, list(numbers), gauss],
        "numpy": [
            str(name),
            torch.from_numpy(np.asarray(keys).astype(np.int64)),
            int(position),
            int(has_gauss),
            float(cached),
        ],
    }


def restore_random_state(state: RandomState) -> None:
    """Let both go on from what `random_state` gave."""
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))
    name, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, cached))


@contextmanager
def random_numbers_kept() -> Iterator[None]:
    """Inside, random numbers may be drawn on the CPU; afterwards its generators are as they were."""
    python, numpy = random.getstate(), np.random.get_state()  # a network of the user's may draw from these
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


def accelerator_random(device: torch.device) -> dict[str, Tensor]:
    """The state of the device's own generator, by the type of the device; empty for a CPU."""
    match device.type:
        case "cuda":
            return {"cuda": torch.cuda.get_rng_state(device)}
        case "mps":
            return {"mps": torch.mps.get_rng_state()}
        case _:
            return {}


def restore_accelerator_random(device: torch.device, states: dict[str, Tensor]) -> None:
    """Continue from what `accelerator_random` gave on a device of this type; one of another type is left as it is."""
    if (state := states.get(device.type)) is not None:
        if device.type == "cuda":
            torch.cuda.set_rng_state(state, device)
        else:
            torch.mps.set_rng_state(state)
