"""fp32, bf16 or fp16: chosen for the architecture and the hardware, and recorded."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping

import torch

from lab2.measure.hardware import product_rate
from lab2.spec.architectures import ModelConfig
from lab2.spec.job import Precision

LOG = logging.getLogger("lab2")
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_PRODUCT_SIDE = 2048  # of the matrices whose product is timed on a GPU


def choose_precision(asked: Precision, config: ModelConfig, device: torch.device) -> Precision:
    """What "auto" means here: bf16 where the hardware multiplies it faster, and that outweighs the conversions.

    Products of 4096 x 4096 on two cores, torch 2.14.1: 0.41 TFLOP/s in bf16 against 0.18 in fp32 on an AMD EPYC with
    AVX-512 BF16, on which classifiers make 1.3 to 1.7 times as many steps a second (benchmarks/LOG.md; VGG16 and
    AlexNet not compared since fp32 goes by Winograd's algorithm); 0.15 against 0.31 on an Intel Xeon without AMX.
    With AMX a small ViT loses more to conversions than it wins. A detector stays in fp32: bf16 keeps 8 significant
    bits, too few for box coordinates and for the order of scores. What is asked for is given, with a warning where it
    is emulated.
    """
    if asked != "auto":
        _warn(asked, device)
        return asked
    if config.detects:
        return "fp32"
    small = config.has_small_products
    match device.type:
        case "cuda":
            return "fp32" if small else fastest_on_gpu(has_bf16(device), lambda one: gpu_rate(one, device))
        case "cpu":
            return "bf16" if (has_amx() and not small) or has_amd_bf16() else "fp32"
        case _:
            return "fp32"


def fastest_on_gpu(has_bf16: bool, rate: Callable[[Precision], float]) -> Precision:
    """bf16 on a GPU that has it; else fp16 where its products go at the higher `rate` (FLOP/s), or fp32."""
    if has_bf16:
        return "bf16"
    return "fp16" if rate("fp16") > rate("fp32") else "fp32"


def has_bf16(device: torch.device) -> bool:
    """Whether the GPU multiplies bf16 itself. A T4 or a V100 does not: there torch emulates it.

    Of AMD's GPUs torch says that all do, the oldest too; there it is so if bf16 is the faster one.
    """
    with torch.cuda.device(device):
        said = bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if said and torch.version.hip:
        return gpu_rate("bf16", device) > gpu_rate("fp32", device)
    return said


def gpu_rate(precision: Precision, device: torch.device) -> float:
    """FLOP/s of products on a GPU; what they take of its memory does not count as a peak."""
    rate = product_rate(_DTYPES[precision], _PRODUCT_SIDE, device)
    torch.cuda.reset_peak_memory_stats(device)
    return rate


def has_amx() -> bool:
    """Whether the CPU multiplies bf16 tiles."""
    return bool(torch.cpu.get_capabilities().get("amx_bf16"))


def has_amd_bf16() -> bool:
    """Whether it is one of AMD's that multiplies bf16 vectors; of no other maker's is it known to pay."""
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16")) and str(able.get("cpu_name")).startswith("AMD")


def emulates(precision: Precision, able: Mapping[str, object]) -> bool:
    """Whether it is an x86-64 that is not `able` of what oneDNN needs for operations in that precision.

    Source: oneDNN's developer guide, "Data Types", hardware limitations.
    """
    needed = {"bf16": "avx512_bw", "fp16": "avx512_fp16"}
    return able.get("architecture") == "x86_64" and precision in needed and not able.get(needed[precision])


def _warn(asked: Precision, device: torch.device) -> None:
    """Say so where `asked` is emulated: it would cost much and bring nothing."""
    if device.type == "cpu" and emulates(asked, torch.cpu.get_capabilities()):
        LOG.warning("train.precision=%s, which this CPU emulates: fp32 or auto would be many times faster", asked)
    elif device.type == "cpu" and asked == "fp16":
        LOG.warning("train.precision=fp16 is for GPUs: on no CPU is it known to be faster than fp32 or auto")
    elif device.type == "cuda" and asked == "bf16" and not has_bf16(device):
        LOG.warning("train.precision=bf16, which this GPU emulates: auto takes the fastest that it has")


def dtype_of(precision: str) -> torch.dtype:
    """What the products of a forward pass are in."""
    return _DTYPES[precision]


def recorded(precision: str, device: torch.device) -> str:
    """The precision as a table should say it: on GPUs that have TF32, products in fp32 are made in it.

    `make_repeatable` lets torch do so. TF32 keeps 10 bits of the mantissa; compute capability 8.0 brought it.
    """
    forbidden = os.environ.get("NVIDIA_TF32_OVERRIDE") == "0"
    if precision == "fp32" and device.type == "cuda" and torch.version.hip is None and not forbidden:
        return "tf32" if torch.cuda.get_device_capability(device) >= (8, 0) else "fp32"
    return precision


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The context in which a forward pass runs."""
    reduced = precision != "fp32"
    return torch.autocast(device.type, dtype=dtype_of(precision) if reduced else None, enabled=reduced)
