"""What a study found, for each job: the chosen setting, what it took, and what can be said of the settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from lab2.results.run_dir import RunDir
from lab2.results.shard import Shard
from lab2.spec.space import Value
from lab2.tune.curve import TuningCurve, best_so_far, tuning_curve
from lab2.tune.halving import members
from lab2.tune.importance import Importance, importances
from lab2.tune.job_file import Provenance, tuned_job_file
from lab2.tune.stages import Rows, chosen, is_complete, is_spent, rung_results
from lab2.tune.study import Study
from lab2.whole_file import write_files


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingOutcome:
    """What became of one setting."""

    number: int
    values: dict[str, Value]
    score: float | None  # validation accuracy, [0, 1], of its last rung; None: it failed, or is not spent
    share: float  # of the length of a training that its last rung had
    seconds: float  # of all its trainings, from the start of their processes to their shards
    state: str  # ok, stopped (by halving), failed, open
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOutcome:
    """What was found for one job."""

    job: str
    settings: tuple[SettingOutcome, ...]
    complete: bool
    chosen: SettingOutcome | None
    curve: TuningCurve | None  # of a random search that is complete
    importances: tuple[Importance, ...]  # likewise; of ten drawn settings or more

    @property
    def own(self) -> SettingOutcome:
        """The job's own recipe."""
        return self.settings[0]

    @property
    def seconds(self) -> float:
        """Of all trainings of its search."""
        return sum(one.seconds for one in self.settings)

    @property
    def failed(self) -> list[SettingOutcome]:
        return [one for one in self.settings if one.state == "failed"]

    @property
    def best_so_far(self) -> list[tuple[float | None, float]]:
        """After each setting, in the order of their numbers: the best score until then, and the seconds spent."""
        scores = [np.nan if one.score is None else one.score for one in self.settings]
        best, spent = best_so_far(scores, [one.seconds for one in self.settings])
        return [(None if np.isnan(b) else float(b), float(s)) for b, s in zip(best, spent, strict=True)]


def job_outcomes(study: Study, rows: Rows) -> list[JobOutcome]:
    """What is found by now, for each job of the study in its order."""
    return [_job_outcome(study, rows, one.job.name) for one in study.jobs]


def write_tuned(run: RunDir, study: Study, outcomes: list[JobOutcome]) -> tuple[list[str], list[OSError]]:
    """Write a job file for each job whose search is complete; returns those written, and the errors of the others."""
    files = {}
    for one in outcomes:
        if not one.complete or one.chosen is None:
            continue
        job = replace(study.chosen_job(one.job, one.chosen.number), weights_missing=False)  # that is of this run
        assert one.chosen.score is not None
        where = Provenance(
            question=study.candidate(one.job).question,
            study=study.sha256,
            trials=study.trials,
            setting=one.chosen.number,
            score=one.chosen.score,
            own_score=one.own.score,
            own_share=one.own.share,
            seconds=one.seconds,
            images=study.effort(one.job).data,
        )
        files[f"{one.job}.py"] = tuned_job_file(job, where).encode()
    return write_files(run.tuned, files.items()) if files else ([], [])


def _job_outcome(study: Study, rows: Rows, job: str) -> JobOutcome:
    results = rung_results(study, rows, job)
    complete = is_complete(study, results)
    settings = tuple(_setting(study, rows, job, i, results) for i in range(study.trials))
    number = chosen(study, rows, job)
    curve, mattered = None, tuple[Importance, ...]()
    if complete and study.mode == "random":
        drawn = settings[1:]  # setting 0, the job's own, was not drawn
        scores = [np.nan if one.score is None else one.score for one in drawn]
        curve = tuning_curve(scores, [one.seconds for one in drawn])
        space = study.candidate(job).space
        mattered = tuple(importances(space, [one.values for one in drawn], [one.score for one in drawn]))
    return JobOutcome(
        job=job,
        settings=settings,
        complete=complete,
        chosen=None if number is None else settings[number],
        curve=curve,
        importances=mattered,
    )


def _setting(study: Study, rows: Rows, job: str, i: int, results: list[dict[int, float | None]]) -> SettingOutcome:
    last = max((rung for rung, known in enumerate(results) if i in known), default=0)
    those = list(_shards(study, rows, job, i, last))
    score = results[last].get(i)
    bad = next((row for row in those if row.status != "ok"), None)
    spent = i in results[last]
    at_end = last == len(study.rungs) - 1
    later = None if at_end else members(study.rungs, results, last + 1)  # None: not decided yet
    if not spent or (score is not None and not at_end and (later is None or i in later)):
        state = "open"
    elif score is None:
        state = "failed"
    else:
        state = "ok" if at_end else "stopped"
    return SettingOutcome(
        number=i,
        values=study.settings(job, i),
        score=score,
        share=float(study.rungs[last].share),
        seconds=sum(row.wall_seconds or 0.0 for rung in range(last + 1) for row in _shards(study, rows, job, i, rung)),
        state=state,
        reason=bad.reason.partition("; lab2 resume")[0] if bad and state == "failed" else "",  # it is not run again
    )


def _shards(study: Study, rows: Rows, job: str, i: int, rung: int) -> Iterator[Shard]:
    for trial in study.search_trials(job, i, rung):
        row = rows.get(trial.name)
        if row is not None and is_spent(row):
            yield row
