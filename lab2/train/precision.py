"""Chooses the precision of a training (fp32, bf16 or fp16) for the architecture and the hardware."""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from lab2.measure.hardware import product_rate
from lab2.spec.architectures import ModelConfig
from lab2.spec.recipe import Precision

LOG = logging.getLogger("lab2")
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_PRODUCT_SIDE = 2048  # side of the matrices whose product is timed on a GPU


def choose_precision(asked: Precision, config: ModelConfig, device: torch.device) -> Precision:
    """The precision `asked`, or for "auto" the fastest one for this architecture on this device.

    "auto" is bf16 if the hardware multiplies it faster and this saves more than the conversions cost.
    Products of 4096 x 4096 on two cores, torch 2.14.1: 0.41 TFLOP/s in bf16 against 0.18 in fp32 on an AMD EPYC with
    AVX-512 BF16, where classifiers make 1.3 to 1.7 times as many steps per second (benchmarks/LOG.md; VGG16 and
    AlexNet were not compared again since fp32 uses Winograd's algorithm); 0.15 against 0.31 on an Intel Xeon without
    AMX. Even with AMX, conversions cost a small ViT more than bf16 saves. A detector always uses fp32: bf16 keeps 8
    significant bits, too few for box coordinates and for the order of scores. So does a baseline, whose answers are
    those of scikit-learn.
    A precision other than "auto" is used even if it is emulated; then a warning is logged.
    """
    if asked != "auto":
        _warn(asked, device)
        return asked
    if config.detects or config.fitted:
        return "fp32"
    small = config.has_small_products
    match device.type:
        case "cuda":
            return "fp32" if small else fastest_on_gpu(has_bf16(device), lambda precision: gpu_rate(precision, device))
        case "cpu":
            return "bf16" if (has_amx() and not small) or has_amd_bf16() else "fp32"
        case _:
            return "fp32"


def fastest_on_gpu(has_bf16: bool, rate: Callable[[Precision], float]) -> Precision:
    """bf16 on a GPU that has it; otherwise fp16 or fp32, whichever has the higher `rate` (FLOP/s)."""
    if has_bf16:
        return "bf16"
    return "fp16" if rate("fp16") > rate("fp32") else "fp32"


def has_bf16(device: torch.device) -> bool:
    """Whether the GPU multiplies bf16 in hardware. A T4 or a V100 does not: there torch emulates it.

    For every AMD GPU torch answers yes, also for the oldest. On those the answer is yes if bf16 is faster than fp32.
    """
    with torch.cuda.device(device):
        supported = bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if supported and torch.version.hip:
        return gpu_rate("bf16", device) > gpu_rate("fp32", device)
    return supported


def gpu_rate(precision: Precision, device: torch.device) -> float:
    """FLOP/s of matrix products on a GPU. Resets its peak of memory afterwards, so that they do not count."""
    rate = product_rate(_DTYPES[precision], _PRODUCT_SIDE, device)
    torch.cuda.reset_peak_memory_stats(device)
    return rate


def cpu_capabilities() -> Mapping[str, object]:
    """What the CPU can, as `torch.cpu.get_capabilities` says it; where torch has not got that yet, as Linux does."""
    if hasattr(torch.cpu, "get_capabilities"):
        return dict(torch.cpu.get_capabilities())
    try:
        lines = [line.partition(":") for line in Path("/proc/cpuinfo").read_text().splitlines()]
    except OSError:
        lines = []
    said = {name.strip(): value.strip() for name, _, value in reversed(lines)}  # of the first core
    flags = set(said.get("flags", "").split())
    return {
        "architecture": platform.machine(),
        "cpu_name": said.get("model name", ""),
        "amx_bf16": "amx_bf16" in flags,
        "avx512_bf16": "avx512_bf16" in flags,
        "avx512_bw": "avx512bw" in flags,
        "avx512_fp16": "avx512_fp16" in flags,
    }


def has_amx() -> bool:
    """Whether the CPU has AMX instructions that multiply bf16 matrices."""
    return bool(cpu_capabilities().get("amx_bf16"))


def has_amd_bf16() -> bool:
    """Whether it is an AMD CPU with AVX-512 BF16. For other makers' CPUs it is not known to be faster than fp32."""
    capabilities = cpu_capabilities()
    return bool(capabilities.get("avx512_bf16")) and str(capabilities.get("cpu_name")).startswith("AMD")


def cpu_multiplies_bf16() -> bool:
    """Whether the CPU is one of those on which bf16 is known to be faster than fp32 for some networks."""
    return has_amx() or has_amd_bf16()


def emulates(precision: Precision, capabilities: Mapping[str, object]) -> bool:
    """Whether an x86-64 CPU lacks the instructions that oneDNN needs for that precision, and so emulates it.

    `capabilities` are those of `cpu_capabilities`. Source: oneDNN's developer guide, "Data Types", hardware
    limitations.
    """
    needed = {"bf16": "avx512_bw", "fp16": "avx512_fp16"}
    is_x86 = capabilities.get("architecture") == "x86_64"
    return is_x86 and precision in needed and not capabilities.get(needed[precision])


def _warn(asked: Precision, device: torch.device) -> None:
    """Log a warning where `asked` is emulated: the training would be slower, with no gain."""
    if device.type == "cpu" and emulates(asked, cpu_capabilities()):
        LOG.warning("train.precision=%s, which this CPU emulates: fp32 or auto would be many times faster", asked)
    elif device.type == "cpu" and asked == "fp16":
        LOG.warning("train.precision=fp16 is for GPUs: on no CPU is it known to be faster than fp32 or auto")
    elif device.type == "cuda" and asked == "bf16" and not has_bf16(device):
        LOG.warning("train.precision=bf16, which this GPU emulates: auto takes the fastest that it has")


def dtype_of(precision: str) -> torch.dtype:
    """The data type of the matrix products in a forward pass."""
    return _DTYPES[precision]


def recorded(precision: str, device: torch.device) -> str:
    """The precision to record in the shard: "tf32" instead of "fp32" where a GPU computes fp32 products in TF32.

    `make_repeatable` allows torch to use TF32. It keeps 10 bits of the mantissa, and exists since compute capability
    8.0.
    """
    forbidden = os.environ.get("NVIDIA_TF32_OVERRIDE") == "0"
    if precision == "fp32" and device.type == "cuda" and torch.version.hip is None and not forbidden:
        return "tf32" if torch.cuda.get_device_capability(device) >= (8, 0) else "fp32"
    return precision


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The autocast context for a forward pass in that precision."""
    reduced = precision != "fp32"
    return torch.autocast(device.type, dtype=dtype_of(precision) if reduced else None, enabled=reduced)
