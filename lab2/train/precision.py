"""fp32 or bf16: chosen for the architecture and the hardware, and recorded."""

from __future__ import annotations

from pathlib import Path

import torch

from lab2.spec.architectures import FasterRCNNConfig, ModelConfig, ViTConfig
from lab2.spec.job import Precision

_WIDE = 128  # width from which a transformer's products, not its launches, take the time


def choose_precision(asked: Precision, config: ModelConfig, device: torch.device) -> Precision:
    """What "auto" means here: bf16 where products of matrices dominate and the hardware does them faster.

    On a CPU that takes AMX: AVX-512 alone is slower in bf16 than in fp32 (measured: 0.15 against
    0.31 TFLOP/s, 4096 x 4096, torch 2.14.1, 2 cores without AMX). A small ViT and the detector's many
    small operations lose more to conversions than they win.
    """
    if asked != "auto":
        return asked
    small = isinstance(config, FasterRCNNConfig) or (isinstance(config, ViTConfig) and config.dim < _WIDE)
    match device.type:
        case "cuda":
            return "bf16" if torch.cuda.is_bf16_supported() and not small else "fp32"
        case "cpu":
            return "bf16" if has_amx() and not small else "fp32"
        case _:
            return "fp32"


def has_amx() -> bool:
    """Whether the CPU multiplies bf16 tiles."""
    try:
        return "amx_bf16" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The context in which a forward pass runs."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")
