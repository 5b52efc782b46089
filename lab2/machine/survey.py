"""What `lab2 doctor` checks."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackagePath, distributions, files
from pathlib import Path

import torch

from lab2.cache import IMAGENET, cache_folder, imagenet_file
from lab2.data.places import NAMED
from lab2.errors import DataError, ResourceError
from lab2.foreign_text import keep_visible
from lab2.measure.cgroup import ROOT
from lab2.measure.cores import available_cores
from lab2.measure.hardware import best_device, device_name, memory_limit, product_rate, unused_gpu
from lab2.regular_file import LISTS, read_regular

_CONTAINER_TOOLS = ("apptainer", "enroot", "podman", "docker", "buildah")
PRODUCT_SIDE = 2048  # of the largest matrices whose product is timed
# By the major version of CUDA. Source: CUDA Toolkit release notes, "Minimum Required Driver Version for CUDA Minor
# Version Compatibility".
OLDEST_DRIVERS = {"11": 450, "12": 525, "13": 580}
_NEEDED_DISK_GB = 2  # a run with saved weights of VGG16 and AlexNet


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    what: str
    there: bool
    found: str
    needed: bool = False  # without it nothing works

    def __post_init__(self) -> None:
        keep_visible(self)


def survey(root: Path = ROOT) -> Iterator[Finding]:
    """Run all checks. None raises; the result of a failed one says what to do. `root` is the folder that holds dev/."""
    cpu = torch.device("cpu")
    yield Finding("cores", True, f"{available_cores()} to use, {device_name(cpu)}")
    memory = memory_limit() / 2**30
    yield Finding("memory", memory >= 8, f"{memory:.1f} GiB; a trial takes up to 8")
    fp32, bf16 = (product_rate(dtype, PRODUCT_SIDE) / 1e12 for dtype in (torch.float32, torch.bfloat16))
    yield Finding("bf16", bf16 > fp32, f"matrix products: {bf16:.3g} TFLOP/s in bf16, {fp32:.3g} in fp32")
    yield _gpus(root)
    if torch.version.cuda:
        yield _driver(torch.version.cuda, root)
    yield _tools("Slurm", ("sbatch", "squeue", "sacct"))
    yield _tools("container tools", _CONTAINER_TOOLS)
    if bill := os.environ.get("LAB2_BILL"):
        yield _image(Path(bill))
    for name, named in NAMED.items():
        yield _data(name, named.find())
    for name in IMAGENET:
        path = imagenet_file(name)
        there = path.is_file()
        hint = str(path) if there else f"not there; random weights are used, or: lab2 prepare {name}"
        yield Finding(f"{name} weights", there, hint)
    for what, folder in (("disk for runs", Path()), ("disk for the cache", cache_folder())):
        yield _disk(what, folder)


def _gpus(root: Path) -> Finding:
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    try:
        chosen = best_device().type
    except ResourceError as error:
        return Finding("GPUs", False, str(error))
    why = unused_gpu(root)
    found = ", ".join(names) if names and why is None else f"{why or 'no CUDA'}; trials run on {chosen}"
    return Finding("GPUs", chosen != "cpu", found)


def _driver(cuda: str, root: Path) -> Finding:
    """NVIDIA's driver, against the oldest that the CUDA of this torch runs on."""
    oldest = OLDEST_DRIVERS.get(cuda.partition(".")[0])
    wanted = f"CUDA {cuda} of this torch needs {'one' if oldest is None else f'{oldest} or newer'}"
    try:
        # Such as "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.159.04  Release Build"
        version = re.search(r"Kernel Module.*?\s(\d+)((?:\.\d+)+)", (root / "proc/driver/nvidia/version").read_text())
    except OSError:
        return Finding("NVIDIA driver", False, f"none here; {wanted}")
    if version is None:
        return Finding("NVIDIA driver", False, f"its version cannot be read; {wanted}")
    is_new_enough = oldest is None or int(version[1]) >= oldest
    return Finding("NVIDIA driver", is_new_enough, f"{version[1]}{version[2]}; {wanted}")


def _image(bill: Path) -> Finding:
    """Compare the image that this runs in with its bill of materials, and lab2's files with their hashes."""
    try:
        listed = {part["name"]: part["version"] for part in json.loads(read_regular(bill, LISTS))["components"]}
    except (OSError, ValueError, LookupError) as error:
        found = f"{bill}: no bill of materials ({error}); build the image anew, in a checkout of lab2"
        return Finding("image", False, found, needed=True)
    installed = {dist.name: dist.version for dist in distributions()}
    wrong = [f"{name} {version}" for name, version in listed.items() if installed.get(name) != version]
    wrong += [str(file) for file in files("lab2") or () if file.hash and not _as_installed(file)]
    digest = os.environ.get("LAB2_IMAGE_DIGEST", "")
    found = f"{len(listed)} packages and lab2's files as they were built {digest}".strip()
    return Finding("image", not wrong, f"not as built: {', '.join(wrong)}" if wrong else found, needed=True)


def _as_installed(file: PackagePath) -> bool:
    """By the hash in the wheel's RECORD. Source: PEP 376, "RECORD"."""
    assert file.hash is not None
    try:
        content = Path(file.locate()).read_bytes()
    except OSError:
        return False
    digest = hashlib.new(file.hash.mode, content).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == file.hash.value


def _data(name: str, folder: Path | None) -> Finding:
    if folder is None:
        return Finding(name, False, f"not there; {NAMED[name].advice(name)}", needed=NAMED[name].embedded)
    try:
        NAMED[name].open(folder).read("test")
    except DataError as error:
        return Finding(name, False, str(error), needed=NAMED[name].embedded)
    return Finding(name, True, str(folder))


def _tools(what: str, names: tuple[str, ...]) -> Finding:
    found = [name for name in names if shutil.which(name)]
    return Finding(what, bool(found), ", ".join(found) or f"none of {', '.join(names)}")


def _disk(what: str, folder: Path) -> Finding:
    there = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    free = shutil.disk_usage(there).free / 2**30
    writable = os.access(there, os.W_OK)
    found = f"{free:.1f} GiB free at {there}{'' if writable else ', not writable'}"
    return Finding(
        what,
        writable and free >= _NEEDED_DISK_GB,
        found,
    )
