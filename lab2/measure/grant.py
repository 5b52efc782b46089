"""Whether this process was given a GPU, by whom, and what torch says where it cannot use one.

Source: sbatch(1) and srun(1), "OUTPUT ENVIRONMENT VARIABLES", for SLURM_*, and Slurm's gres/gpu for "NoDevFiles", its
word for none; CUDA C++ Programming Guide, "CUDA Environment Variables": what follows an index that does not exist, such
as -1, is not visible; HIP's "GPU isolation techniques"; NVIDIA Container Toolkit, "Environment variables".
"""

from __future__ import annotations

import os
from pathlib import Path

import torch

_NONE = ("", "-1", "nodevfiles", "none", "void")
_SLURM = ("SLURM_STEP_GPUS", "SLURM_JOB_GPUS", "SLURM_GPUS_ON_NODE")
_VISIBLE = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")
_CONTAINER = "NVIDIA_VISIBLE_DEVICES"  # "all" is what images say of themselves, ours too: no grant
_FILES = ("dev/nvidia0", "dev/kfd")  # of NVIDIA's driver, of AMD's


def hidden() -> bool:
    """Whether a variable hides every GPU from this process: whoever started it wants it on the CPU."""
    return any(name in os.environ and _names_none(os.environ[name]) for name in _VISIBLE)


def granted() -> str | None:
    """The variable that says that this process was given a GPU, as NAME=VALUE; None where none does."""
    if hidden():
        return None
    for name in (*_SLURM, *_VISIBLE, _CONTAINER):
        value = os.environ.get(name, "")
        counts_none = name == "SLURM_GPUS_ON_NODE" and value == "0"
        if not (_names_none(value) or counts_none or (name == _CONTAINER and value == "all")):
            return f"{name}={value}"
    return None


def device_file(root: Path = Path("/")) -> Path | None:
    """The file of a GPU's driver that lies on this machine; None where there is none."""
    return next((path for name in _FILES if (path := root / name).exists()), None)


def what_torch_says() -> str:
    """Why torch cannot use a GPU, in its own words: the driver is too old, there is none, it was built without CUDA."""
    try:
        torch.cuda.init()
    except Exception as error:  # RuntimeError and AssertionError, and what the driver's own calls raise
        return str(error).strip().partition("\n")[0].rstrip(".")
    return "it sees no GPU"


def _names_none(value: str) -> bool:
    return value.partition(",")[0].strip().lower() in _NONE
