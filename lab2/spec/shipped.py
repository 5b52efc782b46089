"""What comes with lab2 beside its code: jobs, profiles of clusters, and the scripts that start containers.

A checkout has them in `jobs/` and `slurm/`. A wheel has copies of them in its package, by `package-dir` in
pyproject.toml. Where the working directory has such folders, which `lab2 init` writes, those are used.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from lab2.errors import ConfigError

FILES = (
    "jobs/**/*.py",
    "slurm/README.md",
    "slurm/profiles/*-cluster.toml",
    "slurm/containers/in-image",
    "slurm/containers/here-in-image",
    "slurm/containers/lab2.def",
)


def shipped(part: str = "") -> Path:
    """Where `part` of what comes with lab2 lies ("jobs", "slurm/profiles"); it need not be there."""
    package = Path(__file__).resolve().parents[1]
    of_wheel = package / "shipped"
    return (of_wheel if of_wheel.is_dir() else package.parent) / part


def chosen(variable: str, part: str, is_ours: Callable[[Path], bool] = Path.exists) -> Path:
    """What the environment variable names; else `part` of the working directory if `is_ours`; else lab2's own."""
    if named := os.environ.get(variable):
        return Path(named)
    here = Path(part)
    return here if is_ours(here) else shipped(part)


def write_copies(folder: Path) -> list[Path]:
    """Write what comes with lab2 into `folder`, to be adapted there; returns the paths within it.

    Raises `ConfigError` where it would overwrite something, or cannot write; in the first case nothing is written.
    """
    tops = sorted({Path(pattern).parts[0] for pattern in FILES})
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder}: is no folder; name one, which need not be there yet")
    if taken := [top for top in tops if os.path.lexists(folder / top)]:
        raise ConfigError(f"{folder}: has {' and '.join(taken)} already; nothing is overwritten, name another folder")
    source = shipped()
    files = sorted(path for pattern in FILES for path in source.glob(pattern))
    try:
        for file in files:
            copy = folder / file.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)  # its contents alone: an installed file may be read-only
            if os.access(file, os.X_OK):
                copy.chmod(0o755)
    except OSError as error:
        raise ConfigError(f"{error.filename}: {error.strerror}; name a folder that you can write") from error
    return [file.relative_to(source) for file in files]
