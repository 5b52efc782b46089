"""Where the numbers came from: data, recipes, efforts, machines, code, and the command that repeats the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass
from typing import Any

import pandas as pd

from lab2.data.findings import Findings, remarks
from lab2.report.page.styles import Style
from lab2.results.shard import MACHINE
from lab2.spec.effort import NOT_RECORDED
from lab2.spec.fields import as_set_takes_it, settable
from lab2.spec.job import JobSpec
from lab2.spec.plan import Plan
from lab2.words import counted

_CODE = ("lab2_version", "git_commit", "git_dirty", "torch_version", "python_version")
_Values = tuple[Any, ...]
MOST_CLASSES = 60  # of a data set's counts; of more the commonest and the rarest


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many images of each class a data set has."""

    dataset: str
    parts: tuple[str, ...]
    rows: tuple[tuple[str, tuple[int, ...]], ...]
    totals: tuple[int, ...]
    left_out: int  # classes that are not among the rows
    facts: tuple[tuple[str, str], ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One job: what was asked for, and on what it ran."""

    job: str
    style: Style
    architecture: str
    seeds: str
    effort: str
    settings: tuple[str, ...]  # that are not their defaults, as `--set` takes them
    machine: str
    code: str
    weights: str


def counts(findings: Findings) -> Counts:
    """Of one data set, as the networks get it."""
    parts = tuple(findings.counts)
    order = list(range(len(findings.classes)))
    if len(order) > MOST_CLASSES:
        by_count = sorted(order, key=lambda label: -findings.counts[parts[0]][label])
        order = [*by_count[: MOST_CLASSES // 2], *by_count[-MOST_CLASSES // 2 :]]
    rows = [(findings.classes[label], tuple(findings.counts[part][label] for part in parts)) for label in order]
    return Counts(
        dataset=findings.dataset,
        parts=parts,
        rows=tuple(rows),
        totals=tuple(sum(findings.counts[part]) for part in parts),
        left_out=len(findings.classes) - len(order),
        facts=tuple(_facts(findings)),
        remarks=tuple(remarks(findings)),
    )


def _facts(findings: Findings) -> Iterator[tuple[str, str]]:
    channels, side = findings.form
    yield "split", findings.split
    sizes = ", ".join(f"{name} {width} × {height}" for name, (width, height) in findings.sizes.items())
    yield "sizes of the files, pixels", sizes
    yield "what the networks get", f"{side} × {side} pixels, {'grey' if channels == 1 else 'colour'}"
    for name, values in (("boxes", findings.boxes), ("formats", findings.formats), ("left out", findings.left_out)):
        if values:
            yield name, ", ".join(f"{key}: {count:,}" for key, count in values.items())


def recipes(plan: Plan, frame: pd.DataFrame, styles: Mapping[str, Style], order: Sequence[str]) -> list[Recipe]:
    """A recipe a job, in that order."""
    jobs = {trial.job.name: trial for trial in plan.trials}
    seeds: dict[str, list[int]] = {}
    for trial in plan.trials:
        seeds.setdefault(trial.job.name, []).append(trial.seed)
    good = frame[frame["status"] == "ok"]
    machines, code = _different(good, *MACHINE), _different(good, *_CODE)
    weights = _different(good, "weights")
    found = []
    for name in order:
        trial = jobs[name]
        found.append(
            Recipe(
                job=name,
                style=styles[name],
                architecture=trial.job.model.architecture,
                seeds=", ".join(map(str, seeds[name][:20])) + (" …" if len(seeds[name]) > 20 else ""),
                effort=_effort(trial.job),
                settings=tuple(_settings(trial.job, trial.data)),
                machine="; ".join(_machines(machines.get(name, []))),
                code="; ".join(_code(code.get(name, []))),
                weights=", ".join(known for (known,) in weights.get(name, []) if known),
            )
        )
    return found


def _effort(job: JobSpec) -> str:
    if job.model.fitted:
        return "no recipe: it is fitted in one step"
    effort = job.effort
    if effort is None:
        return NOT_RECORDED
    return "; ".join(part for part in (effort.text, effort.data, effort.rule) if part != NOT_RECORDED) or NOT_RECORDED


def _settings(job: JobSpec, data: Any) -> Iterator[str]:
    for root, config in (("model", job.model), ("train", job.train), ("data", data)):
        for field in settable(config):
            value = getattr(config, field.name)
            default = field.default if field.default_factory is MISSING else field.default_factory()
            if value != default and field.name != "dataset":
                yield f"{root}.{field.name}={as_set_takes_it(value)}"


def _machines(seen: Sequence[_Values]) -> Iterator[str]:
    """Of each combination of `MACHINE` what is known; of a row that was trained elsewhere nothing is."""
    for name, device, threads, precision in seen:
        known = (name, device, threads and counted(threads, "thread"), precision)
        if text := ", ".join(filter(None, known)):
            yield text


def _code(seen: Sequence[_Values]) -> Iterator[str]:
    """Of each combination of `_CODE`."""
    for lab2, commit, dirty, torch, python in seen:
        yield (
            f"lab2 {lab2 or '?'} at {(commit or 'unknown')[:12]}{'+changes' * bool(dirty)}, torch {torch or '?'}, "
            f"Python {python or '?'}"
        )


def _different(rows: pd.DataFrame, *columns: str) -> dict[str, list[_Values]]:
    """By job, the combinations of values that its rows have; None for what is missing."""
    values = rows[["job", *columns]].astype(object)
    found: dict[str, list[_Values]] = {}
    for job, *one in values.where(values.notna(), None).drop_duplicates().itertuples(index=False, name=None):
        found.setdefault(str(job), []).append(tuple(one))
    return found
