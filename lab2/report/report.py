"""All that a report is written from."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from lab2.report.finding import Finding, find
from lab2.report.summary import summarise
from lab2.results.collect import Comparison
from lab2.results.correctness import Collected
from lab2.results.run_dir import RunDir


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """What the writers get."""

    run: RunDir
    comparison: Comparison  # a row a trial
    finding: Finding  # which row is shown to be better than which
    summary: pd.DataFrame  # a row a job


def make_report(run: RunDir, comparison: Comparison) -> Report:
    """The report of a run that was collected; reads the predictions of its trials, once."""
    finding = find(Collected(run=run, comparison=comparison))
    return Report(run, comparison, finding, summarise(comparison, finding.rows))
