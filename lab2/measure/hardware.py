"""The hardware of a trial: choosing the device, describing it, its limits, and waiting for it."""

from __future__ import annotations

import logging
import os
import platform
import random
import re
import socket
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lab2.errors import ResourceError
from lab2.measure import cgroup, grant
from lab2.measure.cgroup import ROOT
from lab2.words import counted

LOG = logging.getLogger("lab2")

_CPU = torch.device("cpu")
OLD_CUDA = "12.6"  # the oldest whose builds of torch lab2 takes: for old GPUs and old drivers
_LONG = 1.5  # seconds; a matrix product that is expected to take longer is not timed


def choose_device(asked: str = "auto", root: Path = ROOT) -> torch.device:
    """The device `asked`; for "auto" CUDA, then MPS, then the CPU. `root` is the folder with /dev.

    Raises `ResourceError` where the device does not exist, and where a GPU was granted that torch cannot use. Training
    on the CPU instead would take hours longer, and the row would not be of the machine that was asked for.
    """
    if asked == "auto":
        device = best_device()
        if device.type == "cpu" and (why := unused_gpu(root)) is not None:
            _warn_once(f"{why}; training on the CPU")
        return device
    try:
        device = torch.device(asked)
    except RuntimeError:
        raise ResourceError(f"--device {asked}: no such device; wanted auto, cpu, mps, cuda or cuda:<n>") from None
    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not available.get(device.type, False):
        raise ResourceError(
            f"--device {asked}: not on this machine ({torch.cuda.device_count()} CUDA devices); --device cpu is"
        )
    if device.type == "cuda" and (lacking := without_kernels(device.index or 0)) is not None:
        raise ResourceError(f"--device {asked}: {lacking}")
    return device


def best_device() -> torch.device:
    """CUDA, then MPS, then the CPU; raises `ResourceError` where a GPU was granted that torch cannot use."""
    lacking = without_kernels()
    if torch.cuda.is_available() and lacking is None:
        return torch.device("cuda", 0)
    if torch.backends.mps.is_available():
        return torch.device("mps")
    if (given := grant.granted()) is not None:
        raise ResourceError(
            f"{socket.gethostname()}: a GPU was granted ({given}) that torch cannot use: "
            f"{lacking or f'{grant.what_torch_says()}; mend the driver'} "
            "or try another node (lab2 doctor, run there, says what it has), "
            "unset the variable where it means nothing, or start anew with --device cpu"
        )
    return torch.device("cpu")


@cache
def _warn_once(text: str) -> None:
    LOG.warning(text)


def unused_gpu(root: Path = ROOT) -> str | None:
    """Why torch cannot use the GPU that this machine seems to have; None where it can, or is not meant to.

    It is not meant to in a Slurm job, which has to ask for GPUs, and where a variable hides all GPUs. `root` is the
    folder with /dev.
    """
    if (lacking := without_kernels()) is not None:
        return lacking
    file = grant.device_file(root)
    if file is None or torch.cuda.is_available() or grant.hidden() or "SLURM_JOB_ID" in os.environ:
        return None
    return f"{file} is there, but torch cannot use a GPU: {grant.what_torch_says()}"


def without_kernels(index: int = 0) -> str | None:
    """Why the kernels of this torch do not run on that NVIDIA GPU; None where they do, or there is no such GPU.

    Source: CUDA C++ Programming Guide, "Binary Compatibility" and "PTX Compatibility"; `PYTORCH_RELEASES_CODE_CC` in
    torch/cuda/__init__.py, which says for which GPUs each of its builds is.
    """
    if torch.version.hip or not torch.cuda.is_available():
        return None
    here, built = torch.cuda.get_device_capability(index), torch.cuda.get_arch_list()
    kernels = [(kind, (int(number[:-1]), int(number[-1]))) for kind, number in map(_architecture, built) if number]
    if not kernels or any(_runs(kind, of, here) for kind, of in kernels):
        return None
    if here < min(of for _, of in kernels):
        advice = f"an image built with --build-arg CUDA={OLD_CUDA} has (from compute capability 5.0 on)"
    else:
        advice = "a newer torch has"
    return (
        f"{torch.cuda.get_device_name(index)} has compute capability {here[0]}.{here[1]}, for which torch "
        f"{torch.__version__} has no kernels (it has {', '.join(built)}); {advice}"
    )


def _architecture(name: str) -> tuple[str, str]:
    """Such as ("sm", "70") for "sm_70", and for the "sm_90a" that only its own GPU runs; "" where it is none."""
    found = re.fullmatch(r"(sm|compute)_(\d{2,})[af]?", name)
    return (found[1], found[2]) if found else ("", "")


def _runs(kind: str, of: tuple[int, int], here: tuple[int, int]) -> bool:
    """Binary code (sm) runs on the same major version and a minor one from its own on, PTX (compute) on all later."""
    return here >= of and (kind == "compute" or here[0] == of[0])


def synchronize(device: torch.device) -> None:
    """Wait until the accelerator has finished all queued work. Does nothing on the CPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def device_name(device: torch.device) -> str:
    """The maker's name of the GPU, or of the CPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def describe_machine(device: torch.device, precision: str) -> str:
    """A text that says on what times are measured: device, threads and precision."""
    return f"{device_name(device)} ({device}, {counted(torch.get_num_threads(), 'thread')}, {precision})"


def memory_limit(root: Path = ROOT) -> int:
    """Bytes that this process may use: the least of the machine's memory, its cgroups' limits and Slurm's grant."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    granted = os.environ.get("SLURM_MEM_PER_NODE", "")  # MiB
    if granted.isdecimal() and int(granted):
        limits.append(int(granted) * 2**20)
    if (limit := cgroup.memory_limit(root)) is not None:
        limits.append(limit)
    return min(limits)


def scratch_folder() -> str | None:
    """The folder for large temporary files on this node; None: Python's default, which follows `$TMPDIR`."""
    return os.environ.get("SLURM_TMPDIR")


def make_repeatable(seed: int) -> None:
    """Seed all generators and choose deterministic algorithms: the same bits each time on one machine.

    An operation without a deterministic algorithm (the backward pass of grid_sample on an accelerator) gives a warning.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS starts
    torch.manual_seed(seed)
    random.seed(seed)  # a network of the user's may draw from these two
    np.random.seed(seed % 2**32)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # the module is a class in disguise
    torch.set_float32_matmul_precision("high")  # TF32 on GPUs that have it


def product_rate(dtype: torch.dtype, side: int, device: torch.device = _CPU) -> float:
    """The best FLOP/s of a product of two side x side matrices, or of smaller ones where that would take too long.

    It can take long where bf16 is emulated: on an AMD EPYC without AVX-512 a product of side 2048 takes nearly a
    minute.
    """
    for tried in (side // 8, side // 4, side // 2, side):
        a = torch.ones(tried, tried, dtype=dtype, device=device)
        seconds = least_seconds(partial(_square, a))
        if 8 * seconds > _LONG:  # the next side is twice as long: 8 times the work
            break
    return 2 * tried**3 / seconds


def _square(matrix: Tensor) -> None:
    torch.matmul(matrix, matrix)
    synchronize(matrix.device)


def least_seconds(work: Callable[[], object], times: int = 5) -> float:
    """The least seconds that `work` takes in several calls."""
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)
