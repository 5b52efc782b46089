"""Applies `--set train.epochs=3`: sets any field of a trial by its dotted name, and checks the value's type."""

from __future__ import annotations

import dataclasses
import difflib
import json
from collections.abc import Iterator, Sequence
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from lab2.errors import ConfigError
from lab2.spec.fields import settable
from lab2.spec.job import DataConfig, Trial
from lab2.spec.recipe import OVERRULED_BY

# Changing one of these leaves the recipe what it was: how it is computed and recorded, and what a budget gives all.
_NO_RECIPE = {
    *("train.budget", "train.precision", "train.memory_format", "train.convolution"),
    *("train.cuda_graph", "train.save_weights", "train.target_accuracy"),
}
_ROOTS = {"model": "job", "train": "job", "resources": "job", "data": None}


def override(trials: Sequence[Trial], settings: Sequence[str]) -> list[Trial]:
    """The trials with the `settings`, each `name=value`, applied to every trial that has a field of that name.

    A name may begin with a job and a colon (`vit:train.epochs=3`); then it applies to that job only.
    Raises `ConfigError` for a name that no trial has (with the nearest one that exists), for a value
    of the wrong type, and for a value that the config refuses.
    """
    changed = list(trials)
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise ConfigError(f"--set {setting}: wanted name=value, for example train.epochs=3")
        job, colon, path = name.strip().rpartition(":")
        of_job = [i for i, trial in enumerate(changed) if not colon or job in (trial.job.name, trial.search)]
        if not of_job:
            raise ConfigError(f"--set {setting}: no chosen job is called {job!r}")
        _refuse_dataset(path, setting)
        with_field = [i for i in of_job if path in set(_paths(changed[i]))]
        if not with_field:
            if path.startswith("train.") and all(changed[i].job.model.fitted for i in of_job):
                which = job or ", ".join(dict.fromkeys(trial.job.name for trial in changed))
                raise ConfigError(f"--set {setting}: {which}: fitted in one step, without a recipe; set it for others")
            known = sorted({p for i in of_job for p in _paths(changed[i])})
            close = difflib.get_close_matches(path, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(known)}"
            raise ConfigError(f"--set {setting}: no field is called {path!r}; {hint}")
        for i in with_field:
            changed[i] = _replace(changed[i], path, value.strip(), setting)
    return changed


def override_data(data: DataConfig, settings: Sequence[str]) -> DataConfig:
    """`data` with the `settings`, each `data.NAME=value`. Raises `ConfigError` for others, and as `override` does."""
    known = [field.name for field in settable(data)]
    for setting in settings:
        name, _, value = setting.partition("=")
        root, _, leaf = name.strip().partition(".")
        _refuse_dataset(name.strip(), setting)
        if root != "data" or leaf not in known:
            names = ", ".join(f"data.{one}" for one in known)
            raise ConfigError(f"--set {setting}: wanted a setting of the data: {names}")
        data = _set(data, leaf, value.strip(), setting)
    return data


def _refuse_dataset(path: str, setting: str) -> None:
    """Raise `ConfigError` for the data set: a job's recipe is chosen by its name before settings change it."""
    if path == "data.dataset":
        raise ConfigError(f"--set {setting}: recipes go by the data set; give it as --dataset")


def _paths(trial: Trial) -> Iterator[str]:
    for root in _ROOTS:
        if root == "train" and trial.job.model.fitted:
            continue  # it has no recipe that a setting could change
        for field in settable(_section(trial, root)):
            yield f"{root}.{field.name}"


def _section(trial: Trial, root: str) -> Any:
    return getattr(trial.job if _ROOTS[root] else trial, root)


def _replace(trial: Trial, path: str, text: str, setting: str) -> Trial:
    root, _, leaf = path.partition(".")
    changed = _set(_section(trial, root), leaf, text, setting)
    if path in OVERRULED_BY:
        changed = dataclasses.replace(changed, **dict.fromkeys(OVERRULED_BY[path]))
    if _ROOTS[root]:
        job = dataclasses.replace(trial.job, **{root: changed})
        another = root in ("model", "train") and path not in _NO_RECIPE and job != trial.job
        return dataclasses.replace(trial, job=dataclasses.replace(job, effort=None) if another else job)
    return dataclasses.replace(trial, **{root: changed})


def _set(config: Any, field: str, text: str, setting: str) -> Any:
    """`config` with that value of one field."""
    value = _parse(text, get_type_hints(type(config))[field], setting)
    try:
        return dataclasses.replace(config, **{field: value})
    except ConfigError as error:
        raise ConfigError(f"--set {setting}: {error}") from error


def _parse(text: str, hint: Any, setting: str) -> Any:
    """`text` parsed as JSON of the type `hint`, or taken as a string if the type allows it."""
    adapter: TypeAdapter[Any] = TypeAdapter(hint)
    literal = {"True": "true", "False": "false", "None": "null"}.get(text, text)
    try:
        return adapter.validate_json(literal, strict=True)
    except ValidationError as error:
        try:
            return adapter.validate_json(json.dumps(text), strict=True)
        except ValidationError as as_string:
            first = (as_string if error.errors()[0]["type"] == "json_invalid" else error).errors()[0]
            wanted = first["msg"].removeprefix("Input should be ")
            raise ConfigError(f"--set {setting}: found {text!r}, wanted {wanted}") from None
