"""What figures are drawn from: a report, and what is read for some of them only, once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property

import numpy as np
import pandas as pd

from lab2.report.curves import Histories, read_histories
from lab2.report.page.answers import Answers, read_answers
from lab2.report.page.class_names import class_names, findings_of
from lab2.report.page.styles import Style, styles_of
from lab2.report.report import Report
from lab2.report.summary import least_error


class Material:
    """A report, of which the figures show the jobs `rows`; all where none is named."""

    def __init__(self, report: Report, rows: Collection[str] = ()) -> None:
        self.report = report
        self.rows = frozenset(rows)

    def chosen(self, job: str) -> bool:
        """Whether a figure shows this row."""
        return not self.rows or job in self.rows

    @cached_property
    def summary(self) -> pd.DataFrame:
        """The chosen rows, the most accurate first, those without accuracy last."""
        whole = self.report.summary
        some = whole[whole["job"].isin(self.rows)] if self.rows else whole
        return some.sort_values("accuracy", ascending=False, kind="stable", na_position="last")

    @cached_property
    def order(self) -> Sequence[str]:
        """The jobs of `summary`."""
        return [str(job) for job in self.summary["job"]]

    @cached_property
    def styles(self) -> Mapping[str, Style]:
        """Of each job of the run, and of what a study adds."""
        return styles_of(self.report.jobs)

    @cached_property
    def least(self) -> float:
        """Half a test image, as a share."""
        return least_error(self.report.summary)

    @cached_property
    def one_dataset(self) -> bool:
        """Whether all rows are of one data set: neither classes nor a front make sense across several."""
        return len({trial.data.dataset for trial in self.report.comparison.plan.trials}) == 1

    @cached_property
    def answers(self) -> Answers:
        """What the networks said; nothing of a run with several data sets."""
        return read_answers(self.report, np.zeros(0, np.uint64)) if self.one_dataset else Answers()

    @cached_property
    def classes(self) -> list[str]:
        """Their names."""
        return class_names(self.report, findings_of(self.report), self.answers)

    @cached_property
    def histories(self) -> Histories:
        """The learning curves of the chosen rows' trials."""
        return {job: of for job, of in read_histories(self.report).items() if self.chosen(job)}
