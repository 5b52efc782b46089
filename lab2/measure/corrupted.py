"""Which corrupted test images a trial is right about, in a safetensors file, whose reading executes no code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from lab2.errors import ShardError
from lab2.regular_file import LARGE, check_regular
from lab2.whole_file import write_whole


def write_corrupted(path: Path, right: dict[str, NDArray[np.bool_]]) -> None:
    """Write, by corruption, (L, N) whether the answers are right at L strengths on N images; eight answers a byte.

    Raises `OSError` where the file cannot be written.
    """
    images = np.array([next(iter(right.values())).shape[1]], np.int64)
    # safetensors writes an array as it lies in memory, whatever its order of axes.
    bits = {f"right {name}": np.ascontiguousarray(np.packbits(one, axis=1)) for name, one in right.items()}
    write_whole(path, save({"images": images, **bits}, metadata={"lab2": "corrupted 1"}))


def read_corrupted(path: Path) -> dict[str, NDArray[np.bool_]]:
    """What `write_corrupted` wrote. Raises `ShardError` for a file that is missing, cut off or holds something else."""
    try:
        check_regular(path, LARGE)
        with safe_open(path, framework="numpy") as file:
            count = int(file.get_tensor("images")[0])
            names = [name for name in sorted(file.keys()) if name.startswith("right ")]
            bits = {name.removeprefix("right "): file.get_tensor(name) for name in names}
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, IndexError) as error:
        raise ShardError(f"{path}: not a trial's answers on corrupted images: {error}") from error
    for name, one in bits.items():
        if one.dtype != np.uint8 or one.ndim != 2 or one.shape[1] != -(-count // 8):
            raise ShardError(f"{path}: not a trial's answers on corrupted images: {name} is {one.dtype} {one.shape}")
    return {name: np.unpackbits(one, axis=1, count=count).astype(np.bool_) for name, one in bits.items()}
