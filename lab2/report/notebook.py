"""A run in a notebook: its tables as pandas data frames, and itself as a table where it is the last value of a cell.

It needs no torch.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from markupsafe import Markup, escape

from lab2.data.findings import read_findings
from lab2.errors import DataError, RunError
from lab2.foreign_text import for_terminal
from lab2.measure.predictions import NO_PREDICTION, read_predictions
from lab2.report.answer import answer, caveats
from lab2.report.caption import failures
from lab2.report.columns import ABSENT, ALWAYS, COLUMNS
from lab2.report.pairs import pair_table
from lab2.report.report import Report, make_report
from lab2.results.collect import Comparison, collect
from lab2.results.completion import check_predictions
from lab2.results.run_dir import RunDir, open_run
from lab2.spec.plan import Plan, some_of


def load(path: Path | str = "runs/latest") -> LoadedRun:
    """The run in the folder `path`, as it is now; call it again for what has come since.

    A name without a slash that is no folder here is that of a run in `$LAB2_RUNS`, else in `runs/`. Raises `RunError`
    where there is no run, or one that this version cannot read.
    """
    folder = Path(path).expanduser()
    if "/" not in str(path) and not folder.exists():
        return LoadedRun(open_run(Path(os.environ.get("LAB2_RUNS", "runs")), str(path)))
    absolute = folder.absolute()
    return LoadedRun(open_run(absolute.parent, absolute.name))


class LoadedRun:
    """The tables of a run, as they were when it was loaded. Each access gives a data frame of its own."""

    def __init__(self, run: RunDir) -> None:
        self._run = run
        self._comparison: Comparison = collect(run)

    @property
    def path(self) -> Path:
        """Its folder."""
        return self._run.path

    @property
    def plan(self) -> Plan:
        """What was planned: its id, its trials."""
        return self._comparison.plan

    @property
    def trials(self) -> pd.DataFrame:
        """A row a trial, a column a field of its shard (docs/schema.md). A trial without a shard has `missing`."""
        return self._comparison.frame.copy()

    @property
    def table(self) -> pd.DataFrame:
        """A row a job, as `table.csv` has it (docs/numbers.md); shares in [0, 1].

        Raises `RunError` for a search that has chosen no recipe yet.
        """
        return self._report.summary.copy()

    @property
    def pairs(self) -> pd.DataFrame:
        """A row for each two jobs: their difference, its interval and the verdict, as `pairs.csv` has it.

        Empty where fewer than two can be compared: `notes` says why.
        """
        return pair_table(self._report.finding)

    @property
    def answer(self) -> list[str]:
        """What is shown of the rows, in sentences."""
        return answer(self._report.finding)

    @property
    def notes(self) -> list[str]:
        """What is left out, and what is wrong with files, a sentence each."""
        comparison = self._comparison
        return [*comparison.leaks, *self._report.notes, *comparison.warnings]

    def predictions(self, name: str) -> pd.DataFrame:
        """A row a test image: what a trial answered; of a job all its trials that ended well, one below the other.

        Columns: `trial`; `image`, its number among the test images of that trial; `identity`, the same number for the
        same picture in all trials, if it was kept; `y_true` and `y_pred`, the numbers of the classes (`y_pred` is -1
        where a detector found nothing); `right`; `class_true` and `class_pred`, their names, if the data set was
        inspected; `p0`, `p1`, ... the probability of each class, if there are any.

        Raises `RunError` for a name that the run has not, and for a job none of whose trials ended well, and
        `ShardError` where the predictions cannot be read.
        """
        plan = self.plan
        good = dict(zip(plan.names, (status == "ok" for status in self._comparison.statuses), strict=True))
        if name in good:
            return self._predictions(name)
        of_job = [trial.name for trial in plan.trials if trial.job.name == name]
        if not of_job:
            raise RunError(f"{plan.run_id} has no trial or job {name!r}; its trials: {some_of(plan.names)}")
        finished = [trial for trial in of_job if good[trial]]
        if not finished:
            raise RunError(f"{plan.run_id}: no trial of {name} has ended well, so there are no predictions of it")
        return pd.concat([self._predictions(trial) for trial in finished], ignore_index=True)

    def _predictions(self, trial: str) -> pd.DataFrame:
        path = self._run.predictions(trial)
        found = read_predictions(path)
        of_shard = self._comparison.frame.iloc[self.plan.names.index(trial)]
        if of_shard["status"] == "ok":  # otherwise its shard says nothing of them
            check_predictions(found, path, of_shard["accuracy"], of_shard["test_images"])
        columns: dict[str, object] = {"trial": trial, "image": np.arange(len(found.y_true))}
        if found.images is not None:
            columns["identity"] = found.images
        columns |= {"y_true": found.y_true, "y_pred": found.y_pred, "right": found.right}
        if classes := self._classes:
            columns |= {"class_true": _named(found.y_true, classes), "class_pred": _named(found.y_pred, classes)}
        if found.probabilities is not None:
            columns |= {f"p{number}": of_class for number, of_class in enumerate(found.probabilities.T)}
        return pd.DataFrame(columns)

    @cached_property
    def _classes(self) -> list[str]:
        """The names of the classes; empty where the data set was not inspected, or trials have different ones."""
        try:
            found = read_findings(self._run.findings)
        except DataError:  # `notes` says it
            return []
        different = {tuple(one.classes) for one in found}
        return list(different.pop()) if len(different) == 1 else []

    @cached_property
    def _report(self) -> Report:
        tested = self._comparison.tested()
        if tested is None:
            raise RunError(f"{self.plan.run_id}: a search that has chosen no recipe yet; lab2 resume goes on with it")
        return make_report(self._run, tested)

    def __repr__(self) -> str:
        statuses = self._comparison.statuses
        return f"run {self.plan.run_id}: {statuses.count('ok')} of {len(statuses)} trials finished"

    def _repr_html_(self) -> str:
        """The answer and the table, for a notebook. All text in it is escaped."""
        if self._comparison.tested() is None:
            return _element("p", repr(self))
        report, summary = self._report, self._report.summary
        rows = [row for _, row in summary.iterrows()]
        shown = [c for c in COLUMNS if c.rank == ALWAYS or any(c.text(row) != ABSENT for row in rows)]
        head = Markup("").join(_element("th", column.title) for column in shown)
        lines = [_element("tr", Markup("").join(_element("td", column.text(row)) for column in shown)) for row in rows]
        table = _element("table", _element("thead", _element("tr", head)) + _element("tbody", Markup("").join(lines)))
        above = [repr(self), *report.comparison.leaks, *caveats(summary), *answer(report.finding)]
        return _paragraphs(above) + table + _paragraphs(failures(summary))


def _named(numbers: Iterable[int], classes: list[str]) -> list[str | None]:
    return [None if number == NO_PREDICTION or number >= len(classes) else classes[number] for number in numbers]


def _element(name: str, content: str) -> Markup:
    """An element. `content` is escaped unless it is `Markup`; what cannot be seen is written out."""
    inner = content if isinstance(content, Markup) else escape(for_terminal(content))
    return Markup(f"<{name}>{inner}</{name}>")


def _paragraphs(texts: Iterable[str]) -> Markup:
    return Markup("").join(_element("p", text) for text in texts)
