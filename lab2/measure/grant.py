"""Whether this process was granted a GPU (environment variables), and why torch cannot use one.

Source: sbatch(1) and srun(1), "OUTPUT ENVIRONMENT VARIABLES", for SLURM_*; Slurm's gres/gpu for "NoDevFiles", which
means no GPU; CUDA C++ Programming Guide, "CUDA Environment Variables": the entries from the first invalid index on,
such as -1, are not visible; HIP's "GPU isolation techniques"; NVIDIA Container Toolkit, "Environment variables".
"""

from __future__ import annotations

import os
from pathlib import Path

import torch

_NONE = ("", "-1", "nodevfiles", "none", "void")
_SLURM = ("SLURM_STEP_GPUS", "SLURM_JOB_GPUS", "SLURM_GPUS_ON_NODE")
_VISIBLE = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")
_CONTAINER = "NVIDIA_VISIBLE_DEVICES"  # images, lab2's too, set it to "all" by default: that grants nothing
_FILES = ("dev/nvidia0", "dev/kfd")  # device files of NVIDIA's and AMD's drivers


def hidden() -> bool:
    """Whether a variable hides every GPU from this process: then it was meant to run on the CPU."""
    return any(name in os.environ and _names_none(os.environ[name]) for name in _VISIBLE)


def granted() -> str | None:
    """The variable that grants this process a GPU, as NAME=VALUE; None where none does."""
    if hidden():
        return None
    for name in (*_SLURM, *_VISIBLE, _CONTAINER):
        value = os.environ.get(name, "")
        counts_none = name == "SLURM_GPUS_ON_NODE" and value == "0"
        if not (_names_none(value) or counts_none or (name == _CONTAINER and value == "all")):
            return f"{name}={value}"
    return None


def device_file(root: Path = Path("/")) -> Path | None:
    """The device file of a GPU's driver on this machine; None where there is none."""
    return next((path for name in _FILES if (path := root / name).exists()), None)


def what_torch_says() -> str:
    """torch's own message why it cannot use a GPU, such as a driver that is too old, or a build without CUDA."""
    try:
        torch.cuda.init()
    except Exception as error:  # torch raises RuntimeError or AssertionError; the driver's calls raise other errors
        return str(error).strip().partition("\n")[0].rstrip(".")
    return "it sees no GPU"


def _names_none(value: str) -> bool:
    return value.partition(",")[0].strip().lower() in _NONE
