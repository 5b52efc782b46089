"""The profile of a cluster: facts that whoever has the account writes down once, in TOML.

One rule merges them with what a job asks for: the job says what it needs, a value in the profile's
`[resources]` replaces it, and `--set resources.…` on the command line replaces both.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from lab2.errors import ConfigError
from lab2.spec.checks import first_wrong, require
from lab2.spec.job import Resources, Trial
from lab2.spec.shipped import chosen

# What lab2 writes into the batch script itself: elsewhere in a profile these would contradict it.
OURS = frozenset(
    """array chdir dependency error exclude job-name nodes no-requeue ntasks ntasks-per-node open-mode output requeue
    signal wrap""".split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceOverride:
    """The `[resources]` of a profile: what is given here replaces what each job asks for."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    gpus: int | None = None
    cpus: int | None = None
    memory_gb: float | None = None
    timeout_min: float | None = None
    checkpoint_seconds: float | None = None

    def __post_init__(self) -> None:
        self.applied_to(Resources())  # refuses what `Resources` refuses

    def applied_to(self, asked: Resources) -> Resources:
        """What a job gets that asks for `asked`."""
        return replace(asked, **{name: value for name, value in asdict(self).items() if value is not None})


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How this cluster wants its jobs. Whatever is left out, sbatch's own default holds."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None  # features that a node must have
    gres: str | None = None  # "gpu:a100:1" where GPUs are asked for by kind; else resources.gpus says how many
    array_parallelism: int | None = None  # seeds of one job that may run at once
    wckey: str | None = None
    signal_delay_s: int = 90  # before the time limit, for a checkpoint
    python: str | None = None  # on the compute nodes; left out: the one that submits
    container: Literal["apptainer", "pyxis", "podman", "docker", "oci"] | None = None  # needs an image
    image: str | None = None  # a name or .tar for podman and docker; a .sif, .sqsh or bundle for the others
    workdir: str | None = None  # where the job starts; left out: where it was submitted
    setup: tuple[str, ...] = ()  # shell lines before the trial: module load ...
    sbatch: dict[str, str | int | bool] = field(default_factory=dict)  # further options, without --
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
        own = {f.name for f in fields(self)} | {"gpus-per-node", "cpus-per-task", "mem", "time"}
        for name in (option.replace("_", "-") for option in self.sbatch):  # submitit takes either
            require(name not in OURS, f"sbatch.{name}: lab2 sets it itself; take it out")
            require(name not in own, f"sbatch.{name}: has a field of its own; write it there, or under [resources]")

    def applied_to(self, trials: Sequence[Trial]) -> list[Trial]:
        """`trials` with the resources that this profile gives them."""
        return [replace(t, job=replace(t.job, resources=self.resources.applied_to(t.job.resources))) for t in trials]


PROFILE: TypeAdapter[Profile] = TypeAdapter(Profile)


def profile_folder() -> Path:
    """`$LAB2_PROFILES`; else `slurm/profiles/` of the working directory; else the profiles that come with lab2."""
    return chosen("LAB2_PROFILES", "slurm/profiles")


def read_profile(name: str) -> Profile:
    """The profile of that name, or in that file; raises `ConfigError` naming the field and what it wants."""
    path = Path(name).expanduser() if name.endswith(".toml") else profile_folder() / f"{name}.toml"
    if not path.is_file():
        known = sorted(p.stem for p in path.parent.glob("*.toml"))
        close = difflib.get_close_matches(path.stem, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else "copy one and adapt it."
        raise ConfigError(f"{path}: no such profile; {hint} There are: {', '.join(known) or 'none'}")
    try:
        raw = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    try:
        profile = PROFILE.validate_python(raw, strict=False)
        return replace(profile, image=_from_anywhere(profile.image)) if profile.image else profile
    except ValidationError as error:
        raise ConfigError(f"{path}: {_first(error)}") from error
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _from_anywhere(image: str) -> str:
    """A file of that name by its whole path; the name of an image as it is."""
    path = Path(image).expanduser()
    return str(path.absolute()) if path.exists() or path.suffix in (".sif", ".sqsh", ".tar") else image


def _first(error: ValidationError) -> str:
    """The first thing that is wrong; of an unknown field, the nearest known."""
    one = error.errors()[0]
    if one["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        where = ".".join(map(str, one["loc"]))
        kind: Any = ResourceOverride if where.startswith("resources.") else Profile
        known = [f.name for f in fields(kind)]
        close = difflib.get_close_matches(str(one["loc"][-1]), known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(known)}"
        return f"no field is called {where!r}; {hint}"
    return first_wrong(error)
