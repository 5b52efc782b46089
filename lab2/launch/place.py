"""The place of a trial on Slurm: what of a request decides on which machine, and how, its numbers are made."""

from __future__ import annotations

import os
from typing import Any

from lab2.launch.container import image_content
from lab2.spec.job import Trial
from lab2.spec.profile import Profile

# The fields of a profile that decide on which nodes and in what environment a trial runs. `account` and the time limit
# are not among them. `image` is not, because its content counts and not its name.
_PLACE_FIELDS = ("partition", "constraint", "gres", "container", "python", "setup", "srun")
# Options of sbatch that have no influence on the choice of nodes.
_HARMLESS = {"begin", "comment", "hold", "mail-type", "mail-user", "nice", "priority"}
# Variables that torch, oneDNN or CUDA read: they change the precision or the instructions of matrix products.
_ARITHMETIC = (
    *("ATEN_CPU_CAPABILITY", "DNNL_MAX_CPU_ISA", "ONEDNN_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE"),
    *("NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE"),
)


def place_of(trial: Trial, profile: Profile, device: str) -> dict[str, str]:
    """The part of a request to Slurm that can change a trial's numbers, by name.

    It decides the kind of node, and on the node "auto" becomes a precision, a device and a number of threads.
    """
    resources = trial.job.resources
    asked: dict[str, Any] = {name: getattr(profile, name) for name in _PLACE_FIELDS}
    asked["sbatch"] = {name: profile.sbatch[name] for name in sorted(profile.sbatch.keys() - _HARMLESS)}
    asked |= {"image": image_content(profile), "device": device, "cpus": resources.cpus, "gpus": resources.gpus}
    asked |= {name: os.environ.get(name) for name in _ARITHMETIC}
    return {name: str(value) for name, value in asked.items() if value not in (None, (), {})}
