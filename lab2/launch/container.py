"""How a job's python becomes python in an image, for each kind of container that a profile may name.

Apptainer, Podman and Docker are started by `slurm/containers/in-image` in the place of python; Pyxis and
Slurm's own OCI support are options of srun.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from lab2.results.run_dir import RunDir
from lab2.spec.profile import Profile

IMAGE_PYTHON = "/opt/lab2/venv/bin/python"
WRAPPER = Path(__file__).resolve().parents[2] / "slurm" / "containers" / "in-image"


def python_command(run: RunDir, profile: Profile) -> str:
    """What stands in the batch script where python would stand: shell words."""
    match profile.container:
        case None:
            return profile.python or shlex.quote(sys.executable)
        case "pyxis" | "oci":
            return IMAGE_PYTHON
        case _:
            assert profile.image is not None
            wrapper = profile.python or str(WRAPPER)
            return shlex.join([wrapper, profile.container, profile.image, str(run.path.parent)])


def srun_arguments(run: RunDir, profile: Profile) -> list[str]:
    """The options of srun that put the step into the image.

    Source: https://github.com/NVIDIA/pyxis/wiki/Usage; "--container" in srun(1).
    """
    runs = run.path.parent
    match profile.container:
        case "pyxis":
            return [
                f"--container-image={profile.image}",
                f"--container-mounts={runs}:{runs}",
                "--container-workdir=/work",
                "--no-container-mount-home",
                "--no-container-remap-root",
            ]
        case "oci":
            return [f"--container={profile.image}"]
        case _:
            return []
