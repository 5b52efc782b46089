"""The report of any run, as `lab2 watch` and `lab2 plot` show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab2.errors import ConfigError
from lab2.results.run_dir import RunDir

if TYPE_CHECKING:  # they load pandas and scipy
    from lab2.report.chapter import Chapter
    from lab2.report.report import Report
    from lab2.results.collect import Comparison


def report_of(run: RunDir, comparison: Comparison) -> Report:
    """The run's report with the chapter of its search or its claim.

    A search that has chosen a recipe for each job is reported by these alone, one that goes on by all its trials.
    """
    from lab2.report.chapter import Chapter
    from lab2.report.report import make_report

    try:
        chapters = _chapters(run, comparison)
    except ConfigError as error:  # nothing is judged, but the trials are what they were
        chapters = (Chapter(name="fixed", title="What was fixed beforehand", lead=(f"Not judged: {error}.",)),)
    return make_report(run, comparison.tested() or comparison, chapters)


def _chapters(run: RunDir, comparison: Comparison) -> tuple[Chapter, ...]:
    if run.study.exists():
        from lab2.tune.outcome import job_outcomes
        from lab2.tune.report import tuning_chapter
        from lab2.tune.study import read_study

        study = read_study(run.study)
        return (tuning_chapter(study, job_outcomes(study, {row.trial: row for row in comparison.rows})),)
    if run.claim.exists():
        from lab2.study.report import study_chapter
        from lab2.study.stating import state

        return (study_chapter(state(run, comparison)),)
    return ()
