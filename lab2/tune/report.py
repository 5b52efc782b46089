"""The files of a study's report, and the rows of its table."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

from lab2.foreign_text import for_csv, for_markdown
from lab2.measure.metrics import seconds as seconds_text
from lab2.report.chapter import Chapter, Curve, Table
from lab2.results.run_dir import RunDir
from lab2.spec.space import settings_text
from lab2.tune.outcome import JobOutcome, SettingOutcome
from lab2.tune.study import Study
from lab2.whole_file import write_files
from lab2.words import counted

TITLES = ("model", "best", "own recipe", "chosen", "effort", "failed", "time")
JUDGED = "The search, judged by validation images"
COLUMNS = ("job", "setting", "state", "validation_accuracy", "share", "seconds", "chosen", "values", "reason")


def summary_rows(study: Study, outcomes: Sequence[JobOutcome]) -> list[tuple[str, ...]]:
    """The table of a study, a row for each job, under `TITLES`."""
    return [
        (
            one.job,
            _share(one.chosen),
            _share(one.own),
            str(one.chosen.number) if one.chosen else "–",
            f"{study.trials} settings" if one.complete else f"{_spent(one)} of {study.trials}",
            str(len(one.failed)),
            seconds_text(one.seconds),
        )
        for one in outcomes
    ]


def rule_text(study: Study) -> str:
    """The rule of a study in a sentence."""
    how = "random search" if study.mode == "random" else f"successive halving, one in {study.eta} goes on"
    many = len(study.jobs)
    budget = f"{study.budget} a training" if study.budget else "as long as each recipe says"
    if study.mode == "halving":
        budget += f", its first rung {study.rungs[0].share} of it"
    judge = "one fixed validation split chooses"
    if study.validation.folds > 1:
        judge = f"cross-validation chooses, {study.validation.trainings} trainings a setting"
    seeds = ", ".join(map(str, study.final_seeds))
    return (
        f"study {study.sha256[:12]}: {counted(many, 'job')}, {study.trials} settings each, {budget}; {how}, seed "
        f"{study.seed}; {judge}; the chosen recipes train anew with seeds {seeds} and are tested"
    )


def write_tuning(run: RunDir, study: Study, outcomes: Sequence[JobOutcome]) -> tuple[list[str], list[OSError]]:
    """Write the report of a study; returns the names of the files that were written, and the errors of the others."""
    files = {
        "tuning.md": tuning_md(study, outcomes),
        "tuning.csv": tuning_csv(outcomes),
        "tuning.json": tuning_json(study, outcomes),
    }
    return write_files(run.report, ((name, text.encode()) for name, text in files.items()))


def tuning_chapter(study: Study, outcomes: Sequence[JobOutcome]) -> Chapter:
    """What the page of the chosen recipes has of the search for them."""
    curves = [_drawn(one) for one in outcomes if one.curve is not None]
    lead = [rule_text(study)]
    if curves:
        lead.append("Curves: the best validation accuracy after so many settings, with a 95 % simultaneous band.")
    return Chapter(
        name="tuning",
        title="Tuning",
        lead=tuple(lead),
        tables=(Table(title=JUDGED, columns=TITLES, rows=tuple(summary_rows(study, outcomes))),),
        curves=tuple(curves),
        x="settings tried",
        jobs=tuple(study.candidate(one.job).job for one in outcomes),
        notes=tuple(
            f"{one.job}: setting {it.number} failed: {it.reason or 'no reason is known'}"
            for one in outcomes
            for it in one.failed
        ),
    )


def _drawn(one: JobOutcome) -> Curve:
    curve = one.curve
    assert curve is not None
    x, middle, low, high = (
        tuple(float(value) for value in values) for values in (curve.settings, curve.median, curve.lower, curve.upper)
    )
    return Curve(
        job=one.job,
        conclusion=(
            f"{one.job}: {middle[-1]:.2%} after {x[-1]:.0f} settings, median over searches like this; the second half "
            f"of them raises it by {100 * curve.late_gain:.2f} points."
        ),
        x=x,
        middle=middle,
        low=low,
        high=high,
    )


def tuning_md(study: Study, outcomes: Sequence[JobOutcome]) -> str:
    """All that was found, as Markdown."""
    lines = [for_markdown(rule_text(study)), "", f"{JUDGED}:", "", _line(TITLES), "|" + "---|" * len(TITLES)]
    lines += [_line(row) for row in summary_rows(study, outcomes)]
    lines += ["", f"All trainings of the search together took {seconds_text(sum(one.seconds for one in outcomes))}."]
    for one in outcomes:
        lines += ["", f"## {for_markdown(one.job)}", "", *_of_job(study, one)]
    return "\n".join(lines).rstrip() + "\n"


def tuning_csv(outcomes: Sequence[JobOutcome]) -> str:
    """A row for each setting."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in outcomes:
        for it in one.settings:
            own = (settings_text(it.values), it.reason)
            numbers = ("" if it.score is None else it.score, it.share, it.seconds, one.chosen is it)
            writer.writerow((for_csv(one.job), it.number, it.state, *numbers, *map(for_csv, own)))
    return text.getvalue()


def tuning_json(study: Study, outcomes: Sequence[JobOutcome]) -> str:
    """All that was found, for programs."""
    found = {"study": study.sha256, "rule": rule_text(study), "jobs": [_job_json(one) for one in outcomes]}
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def _of_job(study: Study, one: JobOutcome) -> Iterator[str]:
    if not one.complete:
        yield f"{_spent(one)} of {study.trials} settings are spent; the search goes on."
    elif one.chosen is None:
        yield "No setting ended well: there is no recipe."
    else:
        yield f"Chosen: setting {one.chosen.number}: `{for_markdown(settings_text(one.chosen.values))}`"
    for it in one.failed:
        yield f"- setting {it.number} failed: {for_markdown(it.reason or 'no reason is known')}"
    if study.mode == "halving":
        yield "\nA tuning curve and shares of settings have no meaning here: most settings were stopped early."
    elif one.complete:
        yield "\nWhich hyperparameters mattered (share of the variance of the score over the drawn settings):\n"
        if one.importances and all(it.share != it.share for it in one.importances):
            yield "- not computed: too few settings, or all scores are equal"
        else:
            yield from (f"- `{for_markdown(it.name)}`: {it.text}" for it in one.importances)
    if one.curve is not None:
        yield from _curve_lines(one)


def _curve_lines(one: JobOutcome) -> Iterator[str]:
    curve = one.curve
    assert curve is not None
    yield (
        "\nThe tuning curve: the best validation score after so many drawn settings, median over searches like this, "
        f"with a {curve.confidence:.0%} simultaneous band. The second half of the settings raises the median by "
        f"{100 * curve.late_gain:.2f} points.\n"
    )
    yield "| settings | seconds | lower | median | upper |"
    yield "|---|---|---|---|---|"
    for number, spent, low, median, high in _points(one):
        yield _line((str(number), f"{spent:.0f}", f"{low:.2%}", f"{median:.2%}", f"{high:.2%}"))


def _points(one: JobOutcome) -> Iterator[tuple[int, float, float, float, float]]:
    curve = one.curve
    if curve is not None:
        columns = (curve.settings, curve.seconds, curve.lower, curve.median, curve.upper)
        yield from zip(*(column.tolist() for column in columns), strict=True)


def _job_json(one: JobOutcome) -> dict[str, Any]:
    names = ("settings", "seconds", "lower", "median", "upper")
    return {
        "job": one.job,
        "complete": one.complete,
        "chosen": one.chosen.number if one.chosen else None,
        "validation_accuracy": one.chosen.score if one.chosen else None,
        "own_validation_accuracy": one.own.score,
        "seconds": one.seconds,
        "settings": [
            {
                "setting": it.number, "state": it.state, "validation_accuracy": it.score, "share": it.share,
                "seconds": it.seconds, "values": it.values, "reason": it.reason,
            }
            for it in one.settings
        ],
        # The scores of a halving search are of trainings of different lengths.
        "best_so_far": [
            {"validation_accuracy": best, "seconds": spent} for best, spent in one.best_so_far if one.curve is not None
        ],
        "tuning_curve": [dict(zip(names, point, strict=True)) for point in _points(one)],
        "mattered": [
            {"name": it.name, "share": None if it.share != it.share else it.share, "p": it.p, "told": it.told}
            for it in one.importances
        ],
    }  # fmt: skip


def _share(setting: SettingOutcome | None) -> str:
    if setting is None or setting.state == "open":
        return "–"
    if setting.score is None:
        return "failed"
    return f"{setting.score:.2%}" + (f" at {setting.share:.0%}" if setting.state == "stopped" else "")


def _spent(one: JobOutcome) -> int:
    return sum(it.state != "open" for it in one.settings)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(for_markdown, cells))} |"
