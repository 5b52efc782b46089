"""fp32 or bf16: chosen for the architecture and the hardware, and recorded."""

from __future__ import annotations

import logging

import torch

from lab2.spec.architectures import FasterRCNNConfig, ModelConfig, ViTConfig
from lab2.spec.job import Precision

LOG = logging.getLogger("lab2")
_WIDE = 128  # width from which a transformer's products, not its launches, take the time


def choose_precision(asked: Precision, config: ModelConfig, device: torch.device) -> Precision:
    """What "auto" means here: bf16 where the hardware multiplies it faster, and that outweighs the conversions.

    Products of 4096 x 4096 on two cores, torch 2.14.1: 0.41 TFLOP/s in bf16 against 0.18 in fp32 on an AMD EPYC with
    AVX-512 BF16, on which classifiers make 1.3 to 1.7 times as many steps a second (benchmarks/README.md; VGG16 and
    AlexNet not compared since fp32 goes by Winograd's algorithm); 0.15 against 0.31 on an Intel Xeon without AMX.
    With AMX a small ViT loses more to conversions than it wins. A detector stays in fp32: of bf16's eight bits its
    boxes and the order of its scores would be made. What is asked for is given, with a warning where torch emulates it.
    """
    if asked != "auto":
        if asked == "bf16" and device.type == "cpu" and emulates_bf16():
            LOG.warning("train.precision=bf16, which this CPU emulates: fp32 or auto would be many times faster")
        return asked
    if isinstance(config, FasterRCNNConfig):
        return "fp32"
    small = isinstance(config, ViTConfig) and config.dim < _WIDE
    match device.type:
        case "cuda":
            return "bf16" if torch.cuda.is_bf16_supported() and not small else "fp32"
        case "cpu":
            return "bf16" if (has_amx() and not small) or has_amd_bf16() else "fp32"
        case _:
            return "fp32"


def has_amx() -> bool:
    """Whether the CPU multiplies bf16 tiles."""
    return bool(torch.cpu.get_capabilities().get("amx_bf16"))


def has_amd_bf16() -> bool:
    """Whether it is one of AMD's that multiplies bf16 vectors; of no other maker's is it known to pay."""
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16")) and str(able.get("cpu_name")).startswith("AMD")


def emulates_bf16() -> bool:
    """Whether it is an x86-64 without AVX-512, for which oneDNN has no operations in bf16.

    Source: oneDNN's developer guide, "Data Types", hardware limitations.
    """
    able = torch.cpu.get_capabilities()
    return able.get("architecture") == "x86_64" and not able.get("avx512_bw")


def dtype_of(precision: str) -> torch.dtype:
    """What the products of a forward pass are in."""
    return torch.bfloat16 if precision == "bf16" else torch.float32


def recorded(precision: str, device: torch.device) -> str:
    """The precision as a table should say it: on GPUs that have TF32, products in fp32 are made in it.

    `make_repeatable` lets torch do so. TF32 keeps 10 bits of the mantissa; compute capability 8.0 brought it.
    """
    if precision == "fp32" and device.type == "cuda" and torch.version.hip is None:
        return "tf32" if torch.cuda.get_device_capability(device) >= (8, 0) else "fp32"
    return precision


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The context in which a forward pass runs."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")
