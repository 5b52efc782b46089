"""Describes this machine, and measures the rate of its large matrix products and the bandwidth of its memory."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import torch

from lab2.measure.cores import available_cores
from lab2.measure.hardware import device_name, least_seconds, product_rate
from lab2.measure.provenance import source_commit
from lab2.train.precision import cpu_capabilities, has_amx

PRODUCT_SIDE = 4096
TRIAD_ELEMENTS = 2**26  # 256 MiB of float32 per array: far more than any cache holds


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The machine, code and time of a measurement."""

    name: str
    cores: int
    bf16: str  # how it multiplies bf16: "AMX", "AVX-512" or "emulation"
    torch: str
    commit: str | None
    dirty: bool | None
    at: str  # UTC, ISO 8601
    flops_per_second: dict[str, float]  # by precision
    bytes_per_second: float

    def __str__(self) -> str:
        code = f"{(self.commit or 'unknown')[:12]}{' with changes' * bool(self.dirty)}"
        products = ", ".join(f"{rate / 1e12:.3g} TFLOP/s in {name}" for name, rate in self.flops_per_second.items())
        return (
            f"{self.cores} cores of {self.name} (bf16 by {self.bf16}), torch {self.torch}, "
            f"commit {code}, {self.at}. Products of up to {PRODUCT_SIDE}: {products}; "
            f"memory: {self.bytes_per_second / 1e9:.0f} GB/s."
        )


def this_machine() -> Machine:
    """Describe and measure this machine."""
    commit, dirty = source_commit("benchmarks/*.py")
    torch.set_num_threads(available_cores())  # the same as in the measured processes
    return Machine(
        name=device_name(torch.device("cpu")),
        cores=available_cores(),
        bf16=_bf16_by(),
        torch=torch.__version__,
        commit=commit,
        dirty=dirty,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        flops_per_second={
            "fp32": product_rate(torch.float32, PRODUCT_SIDE),
            "bf16": product_rate(torch.bfloat16, PRODUCT_SIDE),
        },
        bytes_per_second=bandwidth(),
    )


def _bf16_by() -> str:
    if has_amx():
        return "AMX"
    return "AVX-512" if cpu_capabilities().get("avx512_bf16") else "emulation"


def bandwidth() -> float:
    """Bytes per second of the triad a = b + s c, the best of five. Source: McCalpin 1995, STREAM."""
    a, b, c = (torch.ones(TRIAD_ELEMENTS) for _ in range(3))
    return 3 * 4 * TRIAD_ELEMENTS / least_seconds(lambda: torch.add(b, c, alpha=3.0, out=a))
