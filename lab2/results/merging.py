"""The trials of several runs as if they were of one, where they can stand beside each other.

Trials are put together if they were tested on as many images of the same data (by its SHA-256). A job that several runs
have is one row if its recipe, its machine and the code are the same; otherwise each run has a row of its own. A trial
that was copied from one of the runs to another, or that two runs trained, counts once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from lab2.results.collect import Comparison
from lab2.results.correctness import Collected
from lab2.results.run_dir import RunDir
from lab2.results.shard import MACHINE
from lab2.results.shard_table import as_rows
from lab2.results.two_runs import TrialOutcome, are_equal
from lab2.spec.job import Trial
from lab2.spec.plan import Plan

CODE = ("lab2_version", "git_commit", "git_dirty")
_ATTEMPT = ("digest", "host", "started_at", "ended_at", "train_seconds")  # a copy of a shard has the same
_COLUMNS = ("status", "dataset_sha256", "test_images", *_ATTEMPT, *MACHINE, *CODE)
LONGEST_NAME = 64  # of a job


@dataclass(frozen=True)
class MergedRun(RunDir):
    """Trials of several runs: where the files of each are, by the name that it has here. It has no folder itself."""

    sources: Mapping[str, tuple[RunDir, str]] = field(default_factory=dict)

    def predictions(self, trial: str) -> Path:
        run, name = self.sources[trial]
        return run.predictions(name)

    def history(self, trial: str) -> Path:
        run, name = self.sources[trial]
        return run.history(name)

    @property
    def findings(self) -> Path:
        """Of the first run that has some: all have the same data."""
        runs = [run for run, _ in self.sources.values()]
        return next((run.findings for run in runs if run.findings.exists()), runs[0].findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedGroup:
    """What can be put beside each other."""

    title: str  # its data and its number of test images
    run: MergedRun
    comparison: Comparison
    runs: tuple[str, ...]  # the names of the runs that are in it
    rows: tuple[tuple[str, str, tuple[str, ...]], ...]  # of each row its name, its job, and the runs that it is of


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """All groups, the one with most rows first; and what was counted once, a sentence each."""

    groups: tuple[MergedGroup, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """What has to be the same in two runs for their trials of a job to be one row."""

    recipe: frozenset[str]
    machine: frozenset[tuple[Any, ...]]
    code: frozenset[tuple[Any, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """The trials of one job of one run, without copies of those of a run before it."""

    number: int  # of the run, from 1, as they were given
    run_name: str
    of: Collected
    job: str
    places: tuple[int, ...]  # in its plan
    key: tuple[Any, ...]  # equal ones can be put beside each other
    kind: _Kind  # equal ones are one row


def merge(runs: Mapping[str, Collected], command: str = "") -> Merged:
    """The trials of `runs`, by their names, put together. `command` is what was typed.

    Reads the predictions of trials that two runs have trained alike. Raises `ShardError` where that is not possible.
    """
    notes: list[str] = []
    parts = list(_parts(runs, notes))
    groups: dict[tuple[Any, ...], list[_Part]] = {}
    for part in parts:
        groups.setdefault(part.key, []).append(part)
    titles = _titles(list(groups))
    made = [_group(titles[key], several, command, notes) for key, several in groups.items()]
    made.sort(key=lambda one: -len(one.rows))
    return Merged(groups=tuple(made), notes=tuple(notes))


def _parts(runs: Mapping[str, Collected], notes: list[str]) -> Iterator[_Part]:
    seen: dict[tuple[Any, ...], str] = {}  # the attempts that are known, and their runs
    copies: Counter[tuple[str, str]] = Counter()
    for number, (run_name, one) in enumerate(runs.items(), 1):
        columns = {name: one.comparison.table[name].to_pylist() for name in _COLUMNS}
        trials = one.comparison.plan.trials
        jobs: dict[str, list[int]] = {}
        for place, trial in enumerate(trials):
            attempt = tuple(columns[name][place] for name in _ATTEMPT)
            if columns["status"][place] == "ok" and columns["started_at"][place]:
                first = seen.setdefault(attempt, run_name)
                if first != run_name:
                    copies[first, run_name] += 1
                    continue
            jobs.setdefault(trial.job.name, []).append(place)
        keys = {job: _key(one.comparison.plan, places, columns) for job, places in jobs.items()}
        known = {key[1]: key for key in keys.values() if key[2] is not None}  # by data set
        for job, places in jobs.items():
            key = keys[job] if keys[job][2] is not None else known.get(keys[job][1], keys[job])
            yield _Part(
                number=number,
                run_name=run_name,
                of=one,
                job=job,
                places=tuple(places),
                key=key,
                kind=_kind(trials, places, columns),
            )
    for (first, later), count in copies.items():
        notes.append(f"{_trials(count)} of {later} copied from {first}, counted once")


def _key(plan: Plan, places: Sequence[int], columns: Mapping[str, Sequence[Any]]) -> tuple[Any, ...]:
    """Smoke run, name of the data set, its SHA-256 and the number of test images; None: no trial has ended well."""
    good = [place for place in places if columns["status"][place] == "ok"]
    name = Path(plan.trials[places[0]].data.dataset).name
    digest, images = ((columns[one][good[0]]) if good else None for one in ("dataset_sha256", "test_images"))
    return plan.smoke, name, digest, images


def _titles(keys: Sequence[tuple[Any, ...]]) -> dict[tuple[Any, ...], str]:
    """Of each group, which no other has: where the data are called alike, with the beginning of their SHA-256."""
    plain = {}
    for smoke, name, digest, images in keys:
        tested = "no result yet" if images is None else f"{images:,} test images"
        plain[smoke, name, digest, images] = f"{name}, {tested}{', smoke run' * smoke}"
    often = Counter(plain.values())
    return {key: f"{text}, SHA-256 {str(key[2])[:12]}" if often[text] > 1 else text for key, text in plain.items()}


def _kind(trials: Sequence[Trial], places: Sequence[int], columns: Mapping[str, Sequence[Any]]) -> _Kind:
    good = [place for place in places if columns["status"][place] == "ok"]
    machine, code = (frozenset(tuple(columns[one][place] for one in of) for place in good) for of in (MACHINE, CODE))
    recipe = frozenset(trials[place].configuration for place in places)
    return _Kind(recipe=recipe, machine=machine, code=code)


def _group(title: str, parts: Sequence[_Part], command: str, notes: list[str]) -> MergedGroup:
    rows: dict[tuple[str, _Kind], list[_Part]] = {}
    for part in parts:
        rows.setdefault((part.job, part.kind), []).append(part)
    runs_of_job = Counter(job for job, _ in rows)
    taken = set(runs_of_job)
    tables: list[pa.Table] = []
    trials: list[Trial] = []
    sources: dict[str, tuple[RunDir, str]] = {}
    names: list[tuple[str, str, tuple[str, ...]]] = []
    for (job, _), several in rows.items():
        name = job if runs_of_job[job] == 1 else _free_name(job, several[0].number, taken)
        taken.add(name)
        used = []
        for part, place in _once(several, notes):
            trial = part.of.comparison.plan.trials[place]
            renamed = replace(trial, job=replace(trial.job, name=name))
            trials.append(renamed)
            sources[renamed.name] = part.of.run, trial.name
            tables.append(_renamed(part.of.comparison.table.slice(place, 1), renamed))
            used.append(part.run_name)
        names.append((name, job, tuple(dict.fromkeys(used))))
    notes += _apart(names, rows)
    plans = {part.run_name: part.of.comparison.plan for part in parts}
    margins = [plan.margin_points for plan in plans.values() if plan.margin_points is not None]
    plan = Plan(
        run_id=" + ".join(plans), created_at=max(plan.created_at for plan in plans.values()), smoke=parts[0].key[0],
        trials=tuple(trials), margin_points=min(margins, default=None), command=command,
    )  # fmt: skip
    comparisons = {part.run_name: part.of.comparison for part in parts}
    comparison = Comparison(
        plan=plan, table=pa.concat_tables(tables),
        warnings=tuple(f"{run}: {text}" for run, one in comparisons.items() for text in one.warnings),
        leaks=tuple(dict.fromkeys(text for one in comparisons.values() for text in one.leaks)),
    )  # fmt: skip
    return MergedGroup(
        title=title,
        run=MergedRun(parts[0].of.run.path.parent / "merged", sources),
        comparison=comparison, runs=tuple(plans), rows=tuple(names),
    )  # fmt: skip


def _apart(
    names: Sequence[tuple[str, str, tuple[str, ...]]], rows: Mapping[tuple[str, _Kind], Sequence[_Part]]
) -> Iterator[str]:
    """A sentence for each job that is several rows: which they are, and what differs between them."""
    for job in dict.fromkeys(job for job, _ in rows):
        kinds = [kind for of, kind in rows if of == job]
        if len(kinds) > 1:
            each = "; ".join(f"{name} is of {', '.join(runs)}" for name, of, runs in names if of == job)
            differ = [what for what in ("recipe", "machine", "code") if len({getattr(k, what) for k in kinds}) > 1]
            yield f"{job} is {len(kinds)} rows, which differ in {' and '.join(differ)}: {each}"


def _once(parts: Sequence[_Part], notes: list[str]) -> list[tuple[_Part, int]]:
    """The trials of one row, each seed once: that of the first run in which it has ended well."""
    chosen: dict[int, tuple[_Part, int]] = {}
    for part in parts:
        for place in part.places:
            trial = part.of.comparison.plan.trials[place]
            seed = 0 if trial.job.model.fitted else trial.seed
            if seed not in chosen:
                chosen[seed] = part, place
                continue
            first, second = _outcome(*chosen[seed]), _outcome(part, place)
            if not second.ended_well:
                continue
            if not first.ended_well:
                chosen[seed] = part, place
                continue
            same = "the same predictions" if are_equal(first, second) else "other predictions"
            where = f"{chosen[seed][0].run_name} and {part.run_name}"
            notes.append(f"{trial.name} was trained in {where}, with {same}; the first counts")
    return list(chosen.values())


def _outcome(part: _Part, place: int) -> TrialOutcome:
    trial, table = part.of.comparison.plan.trials[place], part.of.comparison.table
    (row,) = as_rows(table.slice(place, 1))
    return TrialOutcome(trial=trial, row=row, predictions=part.of.run.predictions(trial.name))


def _renamed(row: pa.Table, trial: Trial) -> pa.Table:
    """The row under the name that its trial has among the others."""
    for name, value in (("trial", trial.name), ("job", trial.job.name)):
        place = row.schema.get_field_index(name)
        row = row.set_column(place, row.schema.field(place), pa.array([value], row.schema.field(place).type))
    return row


def _free_name(job: str, number: int, taken: set[str]) -> str:
    """`cnn_run2`; a longer number where a job is called so."""
    while True:
        suffix = f"_run{number}"
        name = job[: LONGEST_NAME - len(suffix)] + suffix
        if name not in taken:
            return name
        number = 10 * number + number % 10


def _trials(count: int) -> str:
    return "1 trial" if count == 1 else f"{count:,} trials"
