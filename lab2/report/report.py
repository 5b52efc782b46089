"""All that a report is written from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pandas as pd

from lab2.compare.doubtful import Doubts
from lab2.compare.looks import Look
from lab2.report.chapter import Chapter
from lab2.report.finding import Finding, find
from lab2.report.intervals import accuracy_intervals
from lab2.report.judged import Judged, count_judged
from lab2.report.outputs import read_outputs
from lab2.report.sensitivity import sensitivity
from lab2.report.summary import summarise
from lab2.results.collect import Comparison
from lab2.results.correctness import Collected
from lab2.results.run_dir import RunDir
from lab2.spec.job import JobSpec


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """What the writers get."""

    run: RunDir
    comparison: Comparison  # a row a trial
    finding: Finding  # which row is shown to be better than which
    doubts: Doubts | None  # of which test labels; None: nobody can judge them
    summary: pd.DataFrame  # a row a job
    judged: Judged  # how many configurations have been judged on its test images
    chapters: tuple[Chapter, ...] = ()  # what a study adds to the page

    @property
    def jobs(self) -> list[JobSpec]:
        """Those of the rows, and of the chapters' curves."""
        rows = [trial.job for trial in self.comparison.plan.trials]
        return [*rows, *(job for chapter in self.chapters for job in chapter.jobs)]

    @property
    def notes(self) -> tuple[str, ...]:
        """What stands below the table of the comparison as a whole, a sentence each."""
        return (*self.finding.notes, *self.judged.notes)


def make_report(
    run: RunDir,
    comparison: Comparison,
    chapters: tuple[Chapter, ...] = (),
    planned: Mapping[tuple[str, str], Look] | None = None,
) -> Report:
    """The report of a run that was collected; reads the predictions of its trials.

    `chapters` are what a study adds; `planned`, of merged runs, the looks at their pairs.
    """
    finding = find(Collected(run=run, comparison=comparison), planned=planned)
    judged = count_judged(run, comparison)
    outputs = read_outputs(finding)
    notes = (*finding.notes, *outputs.notes)
    if outputs.doubts is not None and (sentence := sensitivity(finding, outputs.doubts)):
        notes = (*notes, sentence)
    finding = replace(finding, notes=notes)
    accuracies = accuracy_intervals(finding.read)
    summary = summarise(comparison, finding.rows, outputs.intervals, judged.counts, accuracies)
    return Report(run, comparison, finding, outputs.doubts, summary, judged, chapters)
