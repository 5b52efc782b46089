"""fp32 or bf16: chosen for the architecture and the hardware, and recorded."""

from __future__ import annotations

from pathlib import Path

import torch

from lab2.spec.architectures import FasterRCNNConfig, ModelConfig, ViTConfig
from lab2.spec.job import Precision

_WIDE = 128  # width from which a transformer's products, not its launches, take the time


def choose_precision(asked: Precision, config: ModelConfig, device: torch.device) -> Precision:
    """What "auto" means here: bf16 where the hardware multiplies it faster, and that outweighs the conversions.

    Products of 4096 x 4096 on two cores, torch 2.14.1: 0.43 TFLOP/s in bf16 against 0.18 in fp32 on an AMD EPYC with
    AVX-512 BF16, on which all five jobs take 1.2 to 1.7 times as many steps a second; 0.15 against 0.31 on an Intel
    Xeon without AMX. With AMX a small ViT and the detector's many small operations lose more than they win.
    """
    if asked != "auto":
        return asked
    small = isinstance(config, FasterRCNNConfig) or (isinstance(config, ViTConfig) and config.dim < _WIDE)
    match device.type:
        case "cuda":
            return "bf16" if torch.cuda.is_bf16_supported() and not small else "fp32"
        case "cpu":
            return "bf16" if (has_amx() and not small) or has_amd_bf16() else "fp32"
        case _:
            return "fp32"


def has_amx() -> bool:
    """Whether the CPU multiplies bf16 tiles."""
    return "amx_bf16" in _cpu()


def has_amd_bf16() -> bool:
    """Whether it is one of AMD's that multiplies bf16 vectors; Intel's do that no faster than they do fp32."""
    return {"AuthenticAMD", "avx512_bf16"} <= _cpu()


def _cpu() -> set[str]:
    """What Linux says of the first core: its maker and flags among other words."""
    try:
        return set(Path("/proc/cpuinfo").read_text().partition("\n\n")[0].split())
    except OSError:
        return set()


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The context in which a forward pass runs."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")
