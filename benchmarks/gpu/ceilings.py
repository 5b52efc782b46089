"""What a GPU can do at most: memory bandwidth, products by precision, and the price of a launch."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

PEAKS = "peaks.json"
SIDE = 8192
LAUNCHES = 1000


def measure_ceilings(out: Path, on: str = "cuda") -> str:
    """Lines on the card and its rates; the rates are kept in the folder `out` for `peak_rate`."""
    device = torch.device(on)
    if device.type != "cuda":
        return f"{on} is no GPU: no ceilings"
    card = torch.cuda.get_device_properties(0)
    said = [
        f"{card.name}, compute capability {card.major}.{card.minor}, {card.multi_processor_count} multiprocessors, "
        f"{card.total_memory / 2**30:.0f} GiB, torch {torch.__version__}, cuDNN {torch.backends.cudnn.version()}"
    ]
    x = torch.randn(2**28, device=device)
    y = torch.empty_like(x)
    said.append(f"copy: {2 * x.nbytes / seconds(lambda: y.copy_(x), 10) / 1e12:.2f} TB/s read and written")
    peaks = {}
    for name, dtype, precision in (
        ("bf16", torch.bfloat16, "highest"),
        ("tf32", torch.float32, "high"),
        ("fp32", torch.float32, "highest"),
    ):
        torch.set_float32_matmul_precision(precision)
        a = torch.randn(SIDE, SIDE, device=device).to(dtype)
        peaks[name] = 2 * SIDE**3 / seconds(partial(torch.matmul, a, a), 5)
        said.append(f"product of {SIDE} in {name}: {peaks[name] / 1e12:.0f} TFLOP/s")
    (out / PEAKS).write_text(json.dumps(peaks))
    return "\n".join([*said, *_launches(device)])


def peak_rate(out: Path, precision: str | None) -> float:
    """FLOP/s of the largest product in that precision; NaN where it was not measured."""
    try:
        peaks: dict[str, float] = json.loads((out / PEAKS).read_bytes())
    except FileNotFoundError:
        return float("nan")
    return peaks.get(precision or "", float("nan"))


def _launches(device: torch.device) -> list[str]:
    tiny = torch.zeros(64, device=device)

    def launch() -> None:
        for _ in range(LAUNCHES):
            tiny.add_(1)

    eager = seconds(launch, 5) / LAUNCHES
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        launch()
    replayed = seconds(graph.replay, 20) / LAUNCHES
    started = time.perf_counter()
    for _ in range(200):
        torch.nonzero(tiny)
    waited = (time.perf_counter() - started) / 200
    return [
        f"a tiny kernel: {1e6 * eager:.2f} us eager, {1e6 * replayed:.2f} us in a graph; "
        f"nonzero with its wait: {1e6 * waited:.0f} us"
    ]


def seconds(work: Callable[[], object], times: int) -> float:
    """Of the GPU for one `work`, mean of several after a warm-up."""
    for _ in range(3):
        work()
    began, ended = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    began.record()
    for _ in range(times):
        work()
    ended.record()
    ended.synchronize()
    return float(began.elapsed_time(ended)) / 1e3 / times
