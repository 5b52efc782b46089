"""The provenance of a result: versions, commit, host, scheduler job."""

from __future__ import annotations

import hashlib
import os
import platform
import socket
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import lab2


@dataclass(frozen=True, slots=True)
class Provenance:
    """The provenance fields of a shard."""

    lab2_version: str
    git_commit: str | None
    git_dirty: bool | None
    torch_version: str
    torchvision_version: str
    python_version: str
    image_digest: str | None
    host: str
    scheduler_job_id: str | None


def provenance() -> Provenance:
    """The provenance of a result that this process computes."""
    commit, dirty = source_commit()
    job = os.environ.get("SLURM_JOB_ID")
    if job and (array := os.environ.get("SLURM_ARRAY_JOB_ID")):
        job = f"{array}_{os.environ.get('SLURM_ARRAY_TASK_ID', '')}"
    return Provenance(
        lab2_version=lab2.__version__,
        git_commit=commit,
        git_dirty=dirty,
        torch_version=version("torch"),
        torchvision_version=version("torchvision"),
        python_version=platform.python_version(),
        image_digest=os.environ.get("LAB2_IMAGE_DIGEST"),
        host=socket.gethostname(),
        scheduler_job_id=job,
    )


def source_commit(*folders: str) -> tuple[str | None, bool | None]:
    """The commit of this code, and whether lab2/, jobs/ or `folders` have uncommitted changes; None where not known.

    An image has no checkout. It gives its commit in `$LAB2_COMMIT`.
    """
    if stated := os.environ.get("LAB2_COMMIT"):
        return stated.removesuffix("-dirty"), stated.endswith("-dirty")
    root = Path(lab2.__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return None, None
    try:
        commit = _git(root, "rev-parse", "HEAD").strip()
        return commit, bool(_git(root, "status", "--porcelain", "--", "lab2", "jobs", *folders))
    except (OSError, subprocess.SubprocessError):
        return None, None


def code_digest() -> str:
    """SHA-256 over lab2's own files. It identifies the code also with uncommitted changes or without a checkout."""
    root = Path(lab2.__file__).resolve().parent
    digest = hashlib.sha256()
    for path in sorted(set(root.rglob("*.py")) - set((root / "shipped").rglob("*.py"))):
        digest.update(f"{path.relative_to(root)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=True, timeout=30)
    return done.stdout
