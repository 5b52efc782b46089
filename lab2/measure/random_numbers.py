"""The state of all random number generators that a network on the CPU may draw from."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


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
