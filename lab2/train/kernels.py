"""How a network computes while it trains: the same function, by other kernels.

What is fastest depends on the network and on the machine. `lab2/kernel_choice.py` measures it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import nn

from lab2.models.layers.conv3x3 import Conv3x3
from lab2.models.layers.front import Front
from lab2.spec.job import TrainConfig
from lab2.train.precision import cpu_multiplies_bf16

Layout = Literal["channels_last", "channels_first"]
_FORMATS = {"channels_last": torch.channels_last, "channels_first": torch.contiguous_format}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernels:
    """The precision of products, the order of the numbers in memory, and the algorithm of wide 3 x 3 convolutions."""

    precision: str
    memory_format: Layout
    convolution: Literal["winograd", "direct"]  # winograd only where it runs: in fp32 on a CPU, of `Conv3x3`

    def __str__(self) -> str:
        return f"{self.precision}, {self.memory_format}, {self.convolution}"


def default_kernels(model: nn.Module, config: TrainConfig, device: torch.device, precision: str) -> Kernels:
    """What the recipe asks for; what it leaves open is what was fastest for the five jobs (benchmarks/LOG.md)."""
    able = device.type == "cpu" and precision == "fp32" and any(isinstance(x, Conv3x3) for x in model.modules())
    return Kernels(
        precision=precision,
        memory_format="channels_last" if config.memory_format == "auto" else config.memory_format,
        convolution="winograd" if able and config.convolution != "direct" else "direct",
    )


def candidates(model: nn.Module, config: TrainConfig, device: torch.device, default: Kernels) -> list[Kernels]:
    """The kernels that may be fastest on a CPU and that the recipe leaves open: `default` first."""
    found = [default]
    precisions = ["fp32", "bf16"] if config.precision == "auto" and cpu_multiplies_bf16() else [default.precision]
    for precision in precisions:
        asked = default_kernels(model, config, device, precision)
        direct = replace(asked, convolution="direct") if config.convolution == "auto" else asked
        found += [asked, direct]
        # Not with Winograd's algorithm, whose output lies channels last whatever was asked.
        if config.memory_format == "auto" and direct.convolution == "direct":
            found.append(replace(direct, memory_format="channels_first"))
    return list(dict.fromkeys(found))


def use_kernels(model: nn.Module, kernels: Kernels) -> None:
    """Let `model` compute with `kernels`, but for the precision, which is its caller's autocast."""
    memory_format = _FORMATS[kernels.memory_format]
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.ndim == 4:  # `Module.to` would try it with five dimensions, too, where channels_last is an error
            tensor.data = tensor.data.contiguous(memory_format=memory_format)
    for layer in model.modules():
        if isinstance(layer, Front):
            layer.memory_format = memory_format
        elif isinstance(layer, Conv3x3):
            layer.winograd = kernels.convolution == "winograd"
