"""How a Slurm job runs its Python in a container image, for each container tool that a profile may name.

Apptainer, Podman and Docker are started by the wrapper `slurm/containers/in-image`, which the batch script calls in
place of python. Pyxis and Slurm's own OCI support need no wrapper: they are options of srun.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from lab2.cache import cache_folder
from lab2.errors import ConfigError
from lab2.launch.planning import paths_read
from lab2.regular_file import SMALL, read_regular, regular_file
from lab2.results.run_dir import RunDir
from lab2.spec.job import Trial
from lab2.spec.profile import Profile
from lab2.spec.shipped import chosen

IMAGE_PYTHON = "/opt/lab2/venv/bin/python"
_FILES = {"apptainer": "a .sif file (make image-sif)", "pyxis": "a .sqsh file (enroot import)", "oci": "a bundle"}


def wrapper() -> Path:
    """The script that starts an image: `$LAB2_WRAPPER`; else that of the working directory; else lab2's own."""
    return chosen("LAB2_WRAPPER", "slurm/containers/in-image").absolute()


def python_command(run: RunDir, profile: Profile, trials: Sequence[Trial]) -> str:
    """The command, as shell words, that the batch script calls as python."""
    match profile.container:
        case None:
            return f"{profile.python or shlex.quote(sys.executable)} -P"  # ./lab2 is a clone, not the package
        case "pyxis" | "oci":
            return IMAGE_PYTHON
        case tool:
            assert profile.image is not None
            return shlex.join([str(wrapper()), tool, profile.image, str(run.path.parent), *_read_only(trials), "--"])


def srun_arguments(run: RunDir, profile: Profile, trials: Sequence[Trial]) -> list[str]:
    """The options that make srun start its step in the image.

    Source: https://github.com/NVIDIA/pyxis/wiki/Usage; "--container" in srun(1).
    """
    match profile.container:
        case "pyxis":
            runs, cache = run.path.parent, cache_folder()
            mounts = [f"{runs}:{runs}", *(f"{path}:{path}:ro" for path in _read_only(trials))]
            if cache.is_dir():
                mounts.append(f"{cache}:/cache:ro")
            return [
                f"--container-image={profile.image}",
                f"--container-mounts={','.join(mounts)}",
                "--container-workdir=/work",
                "--no-container-mount-home",
                "--no-container-remap-root",
            ]
        case "oci":
            return [f"--container={profile.image}"]
        case _:
            return []


def shown_command(run: RunDir, profile: Profile, trials: Sequence[Trial]) -> str | None:
    """The command that the wrapper would run on a node like this machine, as shell words; None without a wrapper.

    Raises `ConfigError` where the wrapper fails.
    """
    if profile.container in (None, "pyxis", "oci"):
        return None
    gpus = {"SLURM_JOB_GPUS": "<gpus>"} if any(trial.job.resources.gpus for trial in trials) else {}
    words = [*shlex.split(python_command(run, profile, trials)), "-u", "-m", "submitit.core._submit", "..."]
    shown = {**os.environ, "LAB2_SHOW": "1", "SLURM_JOB_ID": "<job>", "SUBMITIT_EXECUTOR": "slurm", **gpus}
    try:
        return subprocess.run(words, capture_output=True, text=True, check=True, timeout=60, env=shown).stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        raise ConfigError(f"{wrapper()}: {getattr(error, 'stderr', '') or error}".strip()) from error


def container_lines(profile: Profile) -> list[str]:
    """The lines of the batch script that give the trial the digest of its image; none where the image is not a file.

    The digest is computed here, once, and not by every trial. Raises `ConfigError` where the wrapper or the image file
    does not exist.
    """
    if profile.container not in (None, "pyxis", "oci") and not os.access(wrapper(), os.X_OK):
        raise ConfigError(f"{wrapper()}: no script that can be run; lab2 init FOLDER writes one: submit from there")
    if profile.container not in _FILES:
        return []
    assert profile.image is not None
    path = Path(profile.image)
    if not path.exists():
        wanted = _FILES[profile.container]
        raise ConfigError(f"image={profile.image!r}: no such file here; wanted {wanted} that all nodes see")
    digest = _bundle_digest(path) if profile.container == "oci" else _file_digest(path)
    return [f"export LAB2_IMAGE_DIGEST={digest}"] if digest else []


def image_content(profile: Profile) -> str | None:
    """A text that identifies the content of a profile's image.

    Empty where the content cannot be known on this machine, None where the profile has no image.
    """
    if profile.image is None:
        return None
    path = Path(profile.image)
    match profile.container:
        case "oci":
            return _bundle_digest(path) or ""
        case "apptainer" | "pyxis":
            return _file_digest(path)
        case _ if path.suffix == ".tar" and path.is_file():
            # Size and time, no digest: the file has gigabytes.
            return f"{path.stat().st_size} bytes of {path.stat().st_mtime_ns}"
        case _:
            return profile.image if "@sha256:" in profile.image else ""  # a tag may name another image later


def _read_only(trials: Sequence[Trial]) -> list[str]:
    """The paths to mount read-only. Raises `ConfigError` for one that a container tool's options cannot express."""
    paths = sorted({path for trial in trials for path in paths_read(trial)})
    for path in paths:
        if set(path) & set(":,"):
            raise ConfigError(
                f"{path}: a path with ':' or ',' cannot be mounted into a container; give it another name"
            )
    return paths


@cache
def _file_digest(path: Path) -> str:
    with regular_file(path) as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _bundle_digest(bundle: Path) -> str | None:
    """The digest of the manifest that umoci unpacked; None where umoci did not make the bundle."""
    try:
        descriptors = json.loads(read_regular(bundle / "umoci.json", SMALL))["from_descriptor_path"]["descriptor_walk"]
        return str(descriptors[-1]["digest"])
    except (OSError, ValueError, LookupError, TypeError):
        return None
