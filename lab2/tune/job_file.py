"""Writes a recipe that was found as a job file: Python that anyone can run, read and change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from typing import Any

from lab2.foreign_text import one_line
from lab2.spec import job
from lab2.spec.job import JobSpec
from lab2.spec.space import Choice, Range

WIDTH = 120  # characters of a line
JOB_MODULE = job.__name__  # from which job files take their classes


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a recipe came from, for the docstring of its job file."""

    question: str  # that of the job it was searched for
    study: str  # SHA-256
    trials: int  # settings tried for this job
    setting: int  # the number of the chosen one; 0 is the job's own recipe
    score: float  # validation accuracy, [0, 1]
    own_score: float | None  # that of the job's own recipe under the same rules; None: it failed
    own_share: float = 1.0  # of the budget that the own recipe's score was reached with: halving may end it early
    seconds: float  # of all trials of this job together
    images: str  # what validated, as `Effort.data` says it


def tuned_job_file(job: JobSpec, provenance: Provenance) -> str:
    """The content of a job file that binds JOB to a job equal to `job`.

    Only fields that differ from their defaults are written. Its docstring says where the recipe came from.
    """
    imports = "\n".join(f"from {module} import {', '.join(names)}" for module, names in sorted(_modules(job).items()))
    return f'"""{_docstring(provenance)}\n"""\n\n{imports}\n\nJOB = {_written(job, indent=0, before=len("JOB = "))}\n'


def _docstring(found: Provenance) -> str:
    own = "failed" if found.own_score is None else f"{found.own_score:.2%}"
    if found.own_share < 1:
        own += f" after {found.own_share:.0%} of the budget, where halving ended it"
    chosen = f"number {found.setting} of" if found.setting else "the job's own recipe, number 0 of"
    lines = (
        one_line(found.question) or "Tuned.",
        "",
        f"Found by lab2 tune: {chosen} {found.trials} settings, {found.score:.2%} of {one_line(found.images)};",
        f"the job's own recipe: {own}. All trials of this job together took {found.seconds:.0f} s.",
        f"Study: {one_line(found.study)}",
    )
    text = "\n".join(lines).replace("\\", "\\\\").replace('"', '\\"')
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def _modules(value: object) -> dict[str, list[str]]:
    """The names to import, sorted, by module, for all the dataclasses that are written of `value`."""
    found: dict[str, set[str]] = {}
    for kind in _kinds(value):
        module = JOB_MODULE if kind.__name__ in job.__all__ else kind.__module__
        found.setdefault(module, set()).add(kind.__name__)
    return {module: sorted(names) for module, names in found.items()}


def _kinds(value: object) -> Iterator[type]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _kinds(item)
    elif is_dataclass(value) and not isinstance(value, type):
        yield type(value)
        for name in _differing(value):
            yield from _kinds(getattr(value, name))


def _differing(config: Any) -> list[str]:
    """The fields of a dataclass that have no default, or another value than it."""
    return [one.name for one in fields(config) if getattr(config, one.name) != _default(one)]


def _default(field: Field[Any]) -> object:
    return field.default_factory() if field.default_factory is not MISSING else field.default


def _written(value: object, *, indent: int, before: int = 0) -> str:
    """`value` as Python, in one line where it fits behind `before` characters, else a line for each of its parts."""
    if isinstance(value, str):
        return _quoted(value)
    opening, parts, closing = _parts(value, indent + 4)
    if not parts:
        return opening + closing
    line = f"{opening}{', '.join(parts)}{closing}"
    if indent + before + len(line) < WIDTH and "\n" not in line:  # one more for the comma behind it
        return line
    inside = "".join(f"{' ' * (indent + 4)}{part},\n" for part in parts)
    return f"{opening}\n{inside}{' ' * indent}{closing}"


def _parts(value: object, indent: int) -> tuple[str, list[str], str]:
    """What opens a literal or a call, its parts, and what closes it; of a plain value it is all in the first."""
    if isinstance(value, dict):
        items = [f"{_quoted(key)}: {_written(item, indent=indent, before=len(key) + 4)}" for key, item in value.items()]
        return "{", items, "}"
    if isinstance(value, tuple) and len(value) > 1:
        return "(", [_written(item, indent=indent) for item in value], ")"
    if isinstance(value, Range):
        return str(value), [], ""
    if isinstance(value, Choice):  # its values have no names
        return "Choice(", [_written(item, indent=indent) for item in value.values], ")"
    if is_dataclass(value) and not isinstance(value, type):
        names = _differing(value)
        parts = [f"{n}={_written(getattr(value, n), indent=indent, before=len(n) + 1)}" for n in names]
        return f"{type(value).__name__}(", parts, ")"
    return repr(value), [], ""


def _quoted(text: str) -> str:
    """`text` as a literal between double quotes, as formatters want it, where that needs no more escapes."""
    plain = repr(text)
    return f'"{plain[1:-1]}"' if plain[0] == "'" and '"' not in text and "\\'" not in plain else plain
