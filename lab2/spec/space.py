"""The search space of a job: which of its settings `lab2 tune` may change, and between which values.

A job file states it beside the recipe, as a dict from dotted names, those that `--set` takes, to dimensions:

    space={"train.learning_rate": Range(1e-4, 1e-2, log=True), "train.batch_size": Choice(32, 64, 128)}

A space computes nothing: trials with and without one are the same trial.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from lab2.errors import ConfigError
from lab2.spec.architectures import NAMED_WEIGHTS
from lab2.spec.checks import require
from lab2.spec.fields import as_set_takes_it, settable
from lab2.spec.recipe import OVERRULED_BY

if TYPE_CHECKING:
    from lab2.spec.job import JobSpec

Value = bool | int | float | str | None | tuple[bool | int | float | str, ...]
SECTIONS = ("model", "train")  # resources and data are not the job's to search

DIGITS = 4  # significant digits of a drawn number: a job file stays readable, and what is finer decides nothing


@dataclass(frozen=True, slots=True)
class Range:
    """All numbers from `low` to `high`; of a field that holds whole numbers the whole ones, both ends included."""

    low: int | float
    high: int | float
    log: bool = False  # equal ratios are equally likely, as is usual for learning rates

    def __post_init__(self) -> None:
        for end in (self.low, self.high):
            number = isinstance(end, int | float) and not isinstance(end, bool)
            require(
                number and math.isfinite(end), f"{self}: {end!r} is no finite number; Choice(...) takes other values"
            )
        require(isinstance(self.log, bool), f"{self}: log={self.log!r}, wanted True or False")
        require(self.low < self.high, f"{self} is empty: the first number must be the smaller one")
        require(not self.log or self.low > 0, f"{self}: a range on a log scale begins above 0")

    @property
    def whole(self) -> bool:
        """Whether it is of whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def at(self, share: float) -> int | float:
        """The value at `share`, in [0, 1), of its length: on its scale, all are equally likely.

        Of whole numbers each has the length from itself to the next one.
        """
        low, high = self._scaled(self.low), self._scaled(self.high + 1 if self.whole else self.high)
        point = low + share * (high - low)
        number = math.exp(point) if self.log else point
        if self.whole:
            # Away from the edge by less than a rounding error, so that exp(log(n)) is n.
            return min(max(math.floor(number * (1 + 1e-12)), self.low), self.high)
        return min(max(float(f"{number:.{DIGITS}g}"), self.low), self.high)

    def place(self, value: float) -> float:
        """Where `value` lies on its scale: 0 at `low`, 1 at `high`; beyond them for a value outside."""
        if self.log and value <= 0:
            return -math.inf
        low, high = self._scaled(self.low), self._scaled(self.high)
        return (self._scaled(value) - low) / (high - low)

    def _scaled(self, value: float) -> float:
        return math.log(value) if self.log else float(value)

    def __str__(self) -> str:
        return f"Range({self.low!r}, {self.high!r}{f', log={self.log!r}' if self.log else ''})"


@dataclass(frozen=True, slots=True, init=False)
class Choice:
    """One of some values, each equally likely: `Choice(32, 64, 128)`, `Choice("adamw", "sgd")`."""

    values: tuple[Value, ...]

    def __init__(self, *values: Value) -> None:
        object.__setattr__(self, "values", values)
        self.__post_init__()

    def __post_init__(self) -> None:
        require(len(self.values) > 1, f"{self}: wanted two values or more")
        try:
            written = [_canonical(value) for value in self.values]
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{self}: wanted numbers, words, lists or None ({error})") from error
        twins = sorted({text for text in written if written.count(text) > 1})
        require(not twins, f"{self}: holds {', '.join(twins)} more than once")

    def at(self, share: float) -> Value:
        """The value at `share`, in [0, 1), of the list."""
        return self.values[min(math.floor(share * len(self.values)), len(self.values) - 1)]

    def __str__(self) -> str:
        return f"Choice({', '.join(map(repr, self.values))})"


Dimension = Range | Choice
Space = dict[str, Dimension]


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def checked_space(job: JobSpec) -> Space:
    """The space that `job` states, sorted by name, the numbers of the types of their fields.

    Raises `ConfigError` for a field that the job does not have, and for an end or a choice that the job refuses while
    its other fields are as they are.
    """
    require(isinstance(job.space, dict), f"{job.name}: space={job.space!r}, wanted a dict from names to dimensions")
    bare, stated = replace(job, space={}), tuple(sorted(job.space.items(), key=lambda item: str(item[0])))
    try:
        return dict(_checked_once(bare, stated, repr(stated)))
    except TypeError:  # a list or a dict in a config, by which nothing can be cached
        return {name: _checked(bare, name, dimension) for name, dimension in stated}


@lru_cache(maxsize=256)
def _checked_once(bare: JobSpec, stated: tuple[tuple[str, Dimension], ...], _written: str) -> Space:
    """The same, cached: a run of 10,000 seeds makes its job anew for each. `_written` tells 1 from 1.0."""
    return {name: _checked(bare, name, dimension) for name, dimension in stated}


def _checked(job: JobSpec, name: str, dimension: Dimension) -> Dimension:
    where = f"{job.name}: space[{name!r}]"
    _require_field(job, name, where)
    require(
        isinstance(dimension, Range | Choice),
        f"{where}: found {dimension!r}, wanted Range(low, high) or Choice(one, other)",
    )
    ends = (dimension.low, dimension.high) if isinstance(dimension, Range) else dimension.values
    typed = []
    for end in ends:
        section, _, field = name.partition(".")
        adapter = _adapter(type(getattr(job, section)), field)  # type: ignore[arg-type]  # a class has a hash
        value = _typed(end, adapter, f"{where}: {dimension}")
        _require_pinned(job, field, value, f"{where}: {dimension}")
        try:
            replace(job, **{section: replace(getattr(job, section), **{field: value})})
        except ConfigError as error:
            raise ConfigError(f"{where}: {dimension}: {error}") from error
        typed.append(value)
    try:
        return Range(typed[0], typed[1], dimension.log) if isinstance(dimension, Range) else Choice(*typed)
    except ConfigError as error:  # 1 and 1.0 are one value
        raise ConfigError(f"{where}: {error}") from error


def _require_field(job: JobSpec, name: str, where: str) -> None:
    """Raise `ConfigError` unless `name` is a field of the job's network or recipe."""
    known = [f"{section}.{field.name}" for section in SECTIONS for field in settable(getattr(job, section))]
    if name in known:
        return
    outside = str(name).partition(".")[0] in ("resources", "data")
    close = difflib.get_close_matches(str(name), known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(known)}"
    raise ConfigError(f"{where}: " + ("a space is of model.* and train.*" if outside else f"no such field; {hint}"))


def _require_pinned(job: JobSpec, field: str, value: Value, where: str) -> None:
    """Raise `ConfigError` for weights or code that a plan could not pin: what they are would depend on who asks."""
    if field == "weights":
        require(value != "auto", f"{where}: auto is decided once for a run; name random, pretrained or a file")
        file = "" if value in NAMED_WEIGHTS else str(value)
    else:
        file = str(value).rpartition(":")[0] if field == job.model.code_field else ""
    is_file = bool(file) and (field == "weights" or file.endswith(".py"))
    require(not is_file or Path(file).is_absolute(), f"{where}: {file}: a search goes on from any folder; begin with /")


@cache
def _adapter(config: type, field: str) -> TypeAdapter[Any]:
    return TypeAdapter(get_type_hints(config)[field])


def _typed(value: Any, adapter: TypeAdapter[Any], where: str) -> Any:
    """`value` as the field of that type holds it. Raises `ConfigError` for another type."""
    try:
        typed = adapter.validate_json(json.dumps(value), strict=True)  # as a plan has it: a tuple is a list there
    except (ValidationError, TypeError, ValueError) as error:
        first = error.errors()[0]["msg"].removeprefix("Input should be ") if isinstance(error, ValidationError) else ""
        raise ConfigError(f"{where}: found {value!r}, wanted {first or 'a number, a word, a list or None'}") from error
    return typed


def apply_settings(job: JobSpec, settings: Mapping[str, Value]) -> JobSpec:
    """`job` with the values of `settings`, by dotted name, and without a space.

    The space goes because it was checked beside the job's other values, of which some may have changed. Raises
    `ConfigError` where the values do not go together.
    """
    sections: dict[str, dict[str, Value]] = {section: {} for section in SECTIONS}
    for name, value in settings.items():
        section, _, field = name.partition(".")
        sections[section] |= {**dict.fromkeys(OVERRULED_BY.get(name, ())), field: value}
    try:
        changed = {section: replace(getattr(job, section), **values) for section, values in sections.items() if values}
        return replace(job, **changed, space={})
    except ConfigError as error:
        raise ConfigError(f"{job.name} with {settings_text(settings)}: {error}") from error


def settings_text(settings: Mapping[str, Value]) -> str:
    """`settings` as a text, in the order given; of none "its own recipe"."""
    words = [f"{name}={as_set_takes_it(value)}" for name, value in settings.items()]
    return " ".join(words) or "its own recipe"


def default_space(job: JobSpec) -> Space:
    """The space of a job that states none. It depends on the job alone.

    Few settings, because 16 trials search no more; those whose best value moves most from one data set to another.
    The length of the training is not among them: the budget fixes it. Nor are the batch size, whose best value goes
    with the learning rate's, and the size of the network, which is what is compared.
    """
    own, model = job.train, job.model
    space: Space = {
        # Three doublings to each side: published defaults for one network differ by less than a factor of 64.
        "train.learning_rate": Range(_short(own.learning_rate / 8), _short(own.learning_rate * 8), log=True),
        # AdamW's usual 0.01 is in the middle, the 0.3 of vision transformers at the end.
        "train.weight_decay": Range(3e-4, 0.3, log=True),
        "train.warmup": Range(0.05, 0.4),
    }
    if not model.detects:  # what follows does nothing to a detector
        space |= {
            "train.label_smoothing": Range(0.0, 0.2),
            "train.rotation": Range(0.0, 15.0),  # degrees; from about 20 on a 6 begins to be a 9
            "train.shift": Range(0, 2),  # pixels; objects of most sets are in the middle already
            "train.flip": Choice(0.0, 0.5),  # wrong for letters, right for most photographs: validation tells
        }
    if hasattr(model, "dropout"):
        space["model.dropout"] = Range(0.0, 0.5)
    if getattr(model, "weights", "random") != "random" and hasattr(model, "feature_lr_scale"):
        space["model.feature_lr_scale"] = Range(0.01, 1.0, log=True)  # frozen, nearly, to like the head
    return dict(sorted(space.items()))


def _short(number: float) -> float:
    return float(f"{number:.{DIGITS}g}")


def space_of(job: JobSpec) -> Space:
    """The space that `job` states, or the default one."""
    return job.space or default_space(job)
