"""The profile of a cluster: a TOML file with the facts that a submission to this cluster needs.

Resources come from three places. The job gives the defaults, a value in the profile's `[resources]` replaces them, and
`--set resources.…` on the command line replaces both.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from lab2.errors import ConfigError
from lab2.spec.checks import first_error, require
from lab2.spec.job import Resources, Trial
from lab2.spec.shipped import chosen, shipped

# Options of sbatch that lab2 sets itself. A profile may not set them, because it would contradict lab2.
OURS = frozenset(
    """array chdir dependency error exclude job-name nodes no-requeue ntasks ntasks-per-node open-mode output requeue
    signal wrap""".split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceOverride:
    """The `[resources]` of a profile: a value that is given replaces that of every job."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    gpus: int | None = None
    cpus: int | None = None
    memory_gb: float | None = None
    timeout_min: float | None = None
    checkpoint_seconds: float | None = None

    def __post_init__(self) -> None:
        self.applied_to(Resources())  # refuses what `Resources` refuses

    def applied_to(self, asked: Resources) -> Resources:
        """The resources that a job gets if it asks for `asked`."""
        return replace(asked, **{name: value for name, value in asdict(self).items() if value is not None})


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How jobs are submitted to a cluster. For a field that is left out, sbatch's default is used."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None  # features that a node must have
    gres: str | None = None  # "gpu:a100:1" to ask for a kind of GPU; left out: resources.gpus gives their number
    array_parallelism: int | None = None  # the most seeds of one job that run at the same time
    wckey: str | None = None
    signal_delay_s: int = 90  # seconds before the time limit at which a trial is told to write a checkpoint
    python: str | None = None  # the python of the compute nodes; left out: the one that submits
    container: Literal["apptainer", "pyxis", "podman", "docker", "oci"] | None = None  # needs an image
    image: str | None = None  # a name or .tar for podman and docker; a .sif, .sqsh or bundle for the others
    workdir: str | None = None  # the folder in which the job starts; left out: the one from which it was submitted
    setup: tuple[str, ...] = ()  # shell lines that run before the trial, such as module load ...
    sbatch: dict[str, str | int | bool] = field(default_factory=dict)  # further options of sbatch, without --
    srun: tuple[str, ...] = ()  # further arguments of srun
    resources: ResourceOverride = field(default_factory=ResourceOverride)

    def __post_init__(self) -> None:
        require(
            self.array_parallelism is None or self.array_parallelism > 0,
            f"array_parallelism={self.array_parallelism} must be positive",
        )
        require(
            (self.container is None) == (self.image is None),
            f"container={self.container!r}, image={self.image!r}: wanted both, or neither",
        )
        require(
            not (self.container and self.python),
            f"python={self.python!r} does not go with container: the image has its own; take it out",
        )
        require(self.signal_delay_s > 0, f"signal_delay_s={self.signal_delay_s} must be positive")
        with_field = {f.name for f in fields(self)} | {"gpus-per-node", "cpus-per-task", "mem", "time"}
        for name in (option.replace("_", "-") for option in self.sbatch):  # submitit accepts both spellings
            require(name not in OURS, f"sbatch.{name}: lab2 sets it itself; take it out")
            require(
                name not in with_field, f"sbatch.{name}: has a field of its own; write it there, or under [resources]"
            )

    def applied_to(self, trials: Sequence[Trial]) -> list[Trial]:
        """`trials` with the resources that this profile gives them."""
        return [replace(t, job=replace(t.job, resources=self.resources.applied_to(t.job.resources))) for t in trials]


PROFILE: TypeAdapter[Profile] = TypeAdapter(Profile)


def profile_folder() -> Path:
    """`$LAB2_PROFILES`; else `slurm/profiles/` of the working directory; else the profiles that come with lab2."""
    return chosen("LAB2_PROFILES", "slurm/profiles")


def profiles() -> dict[str, Path]:
    """The file of each profile by its name: of `profile_folder()`, and without $LAB2_PROFILES also lab2's own."""
    folders = [] if os.environ.get("LAB2_PROFILES") else [shipped("slurm/profiles")]
    return {path.stem: path for folder in (*folders, profile_folder()) for path in sorted(folder.glob("*.toml"))}


def read_profile(name: str) -> Profile:
    """The profile of that name, or in that .toml file. Raises `ConfigError` that says what a wrong field wants."""
    by_name = profiles()
    is_file = name.endswith(".toml")
    path = Path(name).expanduser() if is_file else by_name.get(name, profile_folder() / f"{name}.toml")
    if not path.is_file():
        known = sorted(p.stem for p in path.parent.glob("*.toml")) if is_file else sorted(by_name)
        close = difflib.get_close_matches(path.stem, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else "copy one and adapt it."
        raise ConfigError(f"{path}: no such profile; {hint} There are: {', '.join(known) or 'none'}")
    try:
        raw = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    try:
        profile = PROFILE.validate_python(raw, strict=False)
        return replace(profile, image=_absolute_image(profile.image, profile.container)) if profile.image else profile
    except ValidationError as error:
        raise ConfigError(f"{path}: {_first_error(error)}") from error
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _absolute_image(image: str, container: str | None) -> str:
    """The absolute path of an image file; the name of an image in a registry is not changed.

    podman and docker take names: what is called so here, such as a folder `lab2`, has nothing to do with it.
    """
    path = Path(image).expanduser()
    by_name = container in ("podman", "docker") and path.suffix != ".tar"
    is_file = path.suffix in (".sif", ".sqsh", ".tar") or (path.exists() and not by_name)
    return str(path.absolute()) if is_file else image


def _first_error(error: ValidationError) -> str:
    """The first error as a message; for an unknown field it suggests the most similar known one."""
    first = error.errors()[0]
    if first["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        where = ".".join(map(str, first["loc"]))
        kind: Any = ResourceOverride if where.startswith("resources.") else Profile
        known = [f.name for f in fields(kind)]
        close = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(known)}"
        return f"no field is called {where!r}; {hint}"
    return first_error(error)
