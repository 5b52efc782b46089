"""Measures latency and throughput of exported networks. It does not import lab2.

`python benchmarks/exported.py ONE.pt2 MANY.pt2 IMAGES.npy` prints them as a JSON object.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import torch


def main(one: str, many: str, images: str) -> None:
    """Time the program `one` on single images and the program `many` on all of the (N, C, S, S) uint8 `images`."""
    pixels = torch.from_numpy(np.load(images))
    with torch.inference_mode():
        singles = _seconds(torch.export.load(one).module(), [image[None] for image in pixels[:100]])
        together = _seconds(torch.export.load(many).module(), [pixels] * 50)
    p50 = statistics.median(singles)
    print(json.dumps({"latency_p50_seconds": p50, "throughput_images_per_second": len(pixels) / min(together)}))


def _seconds(model: Callable[[torch.Tensor], object], batches: list[torch.Tensor]) -> list[float]:
    for batch in batches[:5]:
        model(batch)
    seconds = []
    for batch in batches:
        started = time.perf_counter()
        model(batch)
        seconds.append(time.perf_counter() - started)
    return seconds


if __name__ == "__main__":
    main(*sys.argv[1:])
