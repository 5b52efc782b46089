"""Reads a folder of job files: each is a Python file that defines `JOB`, a `JobSpec`."""

from __future__ import annotations

import difflib
import importlib.util
import inspect
import os
import re
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from lab2.errors import ConfigError
from lab2.foreign_text import one_line
from lab2.spec.architectures import architectures
from lab2.spec.checks import first_error
from lab2.spec.effort import Effort
from lab2.spec.job import JobSpec, Resources, TrainConfig
from lab2.spec.shipped import chosen, shipped
from lab2.spec.space import Choice, Range

_BINDS_JOB = re.compile(rb"^JOB\b", re.MULTILINE)
_JOB: TypeAdapter[JobSpec] = TypeAdapter(JobSpec)


@dataclass(frozen=True, slots=True)
class Entry:
    """A job, and what its file says of it: the question that it answers, and whatever follows."""

    job: JobSpec
    question: str
    path: Path
    details: str = ""  # lines


def default_folder() -> Path:
    """`$LAB2_JOBS`; else `jobs/` of the working directory, if it has jobs of lab2; else those that come with lab2."""
    return chosen("LAB2_JOBS", "jobs", _has_jobs)


def _has_jobs(folder: Path) -> bool:
    """Whether a file there may be a job of lab2. Others have such folders too; their files must not be run to see."""
    return any(path.is_file() and _BINDS_JOB.search(path.read_bytes()) for path in _files(folder))


def passed_over() -> str:
    """Why `jobs/` of the working directory is not the default folder; empty where it is, or where there is none."""
    here, used = Path("jobs"), default_folder()
    if used == here or os.environ.get("LAB2_JOBS") or not _files(here):
        return ""
    return f"no file in {here.absolute()} binds JOB; the jobs are those of {used}; --jobs names another folder"


def named_folder(name: str) -> Path:
    """The folder that a user names: that path, or (jobs/strong) what comes with lab2 where there is no such path."""
    path = Path(os.path.expanduser(name))  # noqa: PTH111  # `~nobody` is no error
    came_with_lab2 = path.parts[:1] == ("jobs",) and not path.exists() and shipped(name).is_dir()
    return shipped(name) if came_with_lab2 else path


def is_folder(word: str) -> bool:
    """Whether a word of `--jobs` means a folder. A bare name that a job has means the job: `./cnn` is the folder.

    Only where a folder is called so is the default folder read. Raises `ConfigError` where that cannot be read.
    """
    if "/" in word:
        return True
    return Path(word).is_dir() and word not in names_of_jobs(default_folder())


def names_of_jobs(folder: Path) -> list[str]:
    """The names of the jobs in `folder`, then those of the files in the folders within it."""
    return [*read_catalogue(folder), *(name for names in folders_within(folder).values() for name in names)]


def read_catalogue(folder: Path) -> dict[str, Entry]:
    """Every job of `folder` by its name, in the order of the file names. Files that begin with "_" are skipped.

    Raises `ConfigError` for a folder without jobs, a file without `JOB`, or a name that two jobs have.
    """
    if not folder.is_dir():
        what = "is a file; give its folder" if folder.is_file() else "no such folder of jobs; give one that exists"
        raise ConfigError(f"--jobs {folder}: {what}")
    entries: dict[str, Entry] = {}
    for path in _files(folder):
        entry = _read_job(path)
        if (twin := entries.get(entry.job.name)) is not None:
            raise ConfigError(f"{path}: the job name {entry.job.name!r} is taken by {twin.path}; choose another")
        entries[entry.job.name] = entry
    if not entries:
        raise ConfigError(f"{folder}: holds no job; a job is a .py file that binds JOB to a JobSpec")
    return entries


def baselines() -> list[JobSpec]:
    """The jobs that a table is held against: those of `baselines/` in the default folder, else those of lab2."""
    own = default_folder() / "baselines"
    return [entry.job for entry in read_catalogue(own if _has_jobs(own) else shipped("jobs/baselines")).values()]


def folders_within(folder: Path) -> dict[Path, list[str]]:
    """The folders of jobs inside `folder`, as `--jobs` takes them, and the names of their files. No file is read."""
    found = {inner: [path.stem for path in _files(inner)] for inner in sorted(folder.iterdir()) if inner.is_dir()}
    ours = shipped("jobs")
    return {
        Path("jobs") / inner.relative_to(ours) if inner.is_relative_to(ours) else inner: names
        for inner, names in found.items()
        if names
    }


def find_jobs(folder: Path, names: Iterable[str]) -> list[Entry]:
    """The jobs of those names, in `folder` or in a folder within it; all of `folder` where no name is given.

    Within it a job is looked for in the file that is called as the job is, so that no other folder's files are run.
    Raises `ConfigError` for an unknown name, for one that two of the folders within have, and as `read_catalogue` does.
    """
    entries = read_catalogue(folder)
    return [entries.get(name) or _within(folder, name) for name in list(dict.fromkeys(names)) or entries]


def _within(folder: Path, name: str) -> Entry:
    """The job in a folder within `folder`."""
    found = [inner for inner in sorted(folder.iterdir()) if inner / f"{name}.py" in _files(inner)]
    if len(found) > 1:
        raise ConfigError(f"{' and '.join(map(str, found))} each have {name}.py; give one of these folders to --jobs")
    if found:
        inner = read_catalogue(found[0])
        if name in inner:
            return inner[name]
        raise ConfigError(
            f"{found[0] / name}.py: its job is not called {name!r}; rename it, or give --jobs {found[0]} and one of: "
            f"{', '.join(inner)}"
        )
    known = names_of_jobs(folder)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else "."
    raise ConfigError(f"no job is called {name!r}{hint} There are: {', '.join(known)}")


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.py") if not path.name.startswith("_"))


def _read_job(path: Path) -> Entry:
    spec = importlib.util.spec_from_file_location(f"lab2_job_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    except (Exception, SystemExit) as error:  # the file is the user's code and may raise anything
        said = _of_arguments(error) or f"{type(error).__name__}: {error}"
        raise ConfigError(f"{path}{_line(error, path)}: {said}") from error
    job = getattr(module, "JOB", None)
    if not isinstance(job, JobSpec):
        raise ConfigError(
            f"{path}: binds no JOB; wanted: JOB = JobSpec(name=..., model=...). Put what is no job, such as a network, "
            "into another folder, or into a file whose name begins with _"
        )
    question, _, details = inspect.cleandoc(module.__doc__ or "").partition("\n")
    return Entry(job=_as_planned(job, path), question=one_line(question), path=path, details=details.strip())


def _of_arguments(error: BaseException) -> str:
    """What is wrong with the arguments of a config: an unknown or absent field, or a wrong type; else empty."""
    if found := re.search(r"(\w+)\.__init__\(\) got an unexpected keyword argument '(\w+)'", str(error)):
        known = [one.name for kind in _configs() if kind.__name__ == found[1] for one in fields(kind)]
        close = difflib.get_close_matches(found[2], known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(known)}"
        return f"{found[1]} has no field {found[2]!r}; {hint}" if known else ""
    if found := re.search(
        r"(\w+)\.__init__\(\) missing \d+ required (?:keyword-only|positional) arguments?: (.+)", str(error)
    ):
        return f"{found[1]} lacks {found[2]}"
    for frame, _ in traceback.walk_tb(error.__traceback__):  # a value of a wrong type, which its check cannot compare
        config = frame.f_locals.get("self")
        if isinstance(config, tuple(_configs())):
            return _wrong_type(config)
    return ""


def _wrong_type(config: Any) -> str:
    """The first field of `config` whose value is not of its type, what was found and what is wanted; else empty."""
    hints = get_type_hints(type(config))
    for one in fields(config):
        try:
            TypeAdapter(hints[one.name]).validate_python(getattr(config, one.name))
        except ValidationError as error:
            wanted = error.errors()[0]["msg"].removeprefix("Input should be ")
            return f"{type(config).__name__}.{one.name}: found {getattr(config, one.name)!r}, wanted {wanted}"
    return ""


def _configs() -> list[type[Any]]:
    return [JobSpec, TrainConfig, Resources, Effort, Range, Choice, *(one.config for one in architectures().values())]


def _as_planned(job: JobSpec, path: Path) -> JobSpec:
    """`job` after a round trip through JSON, as a plan stores it. This checks the types of all fields."""
    try:
        return _JOB.validate_json(_JOB.dump_json(job, warnings=False))
    except ValidationError as error:
        raise ConfigError(f"{path}: JOB: {first_error(error)}") from error
    except PydanticSerializationError as error:
        raise ConfigError(f"{path}: JOB: holds what no plan can ({error}); wanted numbers, words and lists") from error


def _line(error: BaseException, path: Path) -> str:
    """The line of `path` in which the error was raised, as ":12"; empty where it is not known."""
    if isinstance(error, SyntaxError):
        return f":{error.lineno}"
    file = path.resolve()
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).resolve() == file]
    return f":{lines[-1]}" if lines else ""
