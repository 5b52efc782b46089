"""`report/index.html`: all of a run in one file, readable without a network and without JavaScript.

The same run gives the same bytes, on an installation with the same libraries. Nothing in it is loaded from elsewhere: a
content security policy (CSP, W3C) forbids it, and allows no other script and style than those two whose SHA-256 it
names. All text is escaped by Jinja2, and what cannot be seen, such as ESC or a change of direction, is written out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jinja2
import numpy as np
from markupsafe import Markup

from lab2.data.findings import Findings
from lab2.report.answer import answer, caveats, points
from lab2.report.caption import caption, remarks
from lab2.report.curves import IMAGES_SEEN, MOST_TRIALS, curves_of, read_histories
from lab2.report.page.answers import LARGEST_MATRIX, Answers, read_answers
from lab2.report.page.calibration import reliability
from lab2.report.page.chapters import sections
from lab2.report.page.class_names import class_names, findings_of
from lab2.report.page.classes import MOST_COLUMNS, f1_rows, hardest, matrices
from lab2.report.page.costs import cost_charts
from lab2.report.page.curves import draw_curves
from lab2.report.page.differences import comparison_data, matrix, picture_data, too_much
from lab2.report.page.document import environment, policy
from lab2.report.page.origin import counts, recipes
from lab2.report.page.pictures import Chosen, Sprite, choose, draw_pictures
from lab2.report.page.reading import reading
from lab2.report.page.rows import page_table
from lab2.report.page.styles import Style, styles_of
from lab2.report.page.svg import mark
from lab2.report.page.targets import target_section
from lab2.report.report import Report
from lab2.report.summary import least_error
from lab2.report.targets import time_to_target
from lab2.results.merging import MergedRun
from lab2.spec.job import DataConfig

_FOLDER = Path(__file__).parent
_SCRIPTS = ("statistics.js", "page.js")  # one after the other in one element
_STYLE = "page.css"


def index_html(report: Report) -> bytes:
    """The page. What it cannot show, because a file is broken or the data are not there, it names."""
    script = "".join((_FOLDER / name).read_text() for name in _SCRIPTS)
    style = (_FOLDER / _STYLE).read_text()
    page = (
        _templates()
        .get_template("page.html.j2")
        .render(
            **_content(report),
            script=Markup(script),
            style=Markup(style),
            policy=policy(script, style),
        )
    )
    return page.encode()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Read:
    """What several sections are made of."""

    report: Report
    styles: Mapping[str, Style]
    findings: list[Findings]
    answers: Answers
    classes: list[str]
    order: list[str]  # the jobs, as the table has them

    @property
    def answered(self) -> list[str]:
        """The jobs whose answers could be read."""
        return [job for job in self.order if job in self.answers.jobs]


def _content(report: Report) -> dict[str, object]:
    """What the templates get, by name."""
    plan, read = report.comparison.plan, report.finding.read
    styles = styles_of(report.jobs)
    chosen = choose(read, report.finding.fixed)
    wanted = None if read.images is None else read.images[list(chosen.all)]
    if len({trial.data.dataset for trial in plan.trials}) == 1:
        answers = read_answers(report, np.zeros(0, np.uint64) if wanted is None else wanted)
        charts = cost_charts(report.summary, styles)
    else:  # neither classes nor a front of the most accurate make sense across them
        answers, charts = Answers(notes=("classes and costs are not drawn of a run with several data sets",)), []
    findings = findings_of(report)
    mnist = {trial.job.name for trial in plan.trials if trial.data == DataConfig(dataset="mnist")}
    table = page_table(report.summary, styles, mnist)
    found = _Read(
        report=report,
        styles=styles,
        findings=findings,
        answers=answers,
        classes=class_names(report, findings, answers),
        order=[row.job for row in table.rows],
    )
    least, histories = least_error(report.summary), read_histories(report)
    sprite, samples = draw_pictures(list(dict.fromkeys(trial.data for trial in plan.trials)), wanted)
    return {
        **_head(report),
        "table": table,
        "reading": reading(table.titles),
        "remarks": remarks(report.summary),
        "notes": _notes(report, answers),
        "charts": charts,
        "sprite": sprite,
        "samples": samples,
        "classes": found.classes,
        **_pairs(found, chosen, sprite),
        "curves": draw_curves(curves_of(histories), styles, least, name="curves", x_title=IMAGES_SEEN),
        "to_target": target_section(time_to_target(report, histories), styles),
        "sections": sections(report.chapters, styles, least),
        **_classes(found, chosen),
        "reliability": reliability(answers, styles),
        "counts": [counts(one) for one in findings],
        "recipes": recipes(plan, report.comparison.frame, styles, found.order),
    }


def _head(report: Report) -> dict[str, object]:
    comparison, statuses = report.comparison, report.comparison.statuses
    return {
        "run_id": comparison.plan.run_id,
        "created_at": comparison.plan.created_at,
        "command": comparison.plan.command,
        "merged": isinstance(report.run, MergedRun),
        "leaks": comparison.leaks,
        "caveats": caveats(report.summary),
        "answer": _sentences(report),
        "caption": caption(comparison).splitlines(),
        "counted": len(statuses),
        "finished": statuses.count("ok"),
    }


def _notes(report: Report, answers: Answers) -> list[str]:
    """What is not shown and why, and what is wrong with files."""
    notes = [*report.notes, *answers.notes, *report.comparison.warnings]
    if report.finding.judged is not None and too_much(report.finding.read):
        notes.append("the page does not hold which row is right about which image, because that is too much for a page")
    if len(report.comparison.plan.trials) > MOST_TRIALS:
        notes.append(f"learning curves are not drawn of a run of more than {MOST_TRIALS:,} trials; history/ has them")
    return notes


def _pairs(found: _Read, chosen: Chosen, sprite: Sprite) -> dict[str, object]:
    finding, plan = found.report.finding, found.report.comparison.plan
    judged, data = finding.judged, comparison_data(finding, plan, found.classes)
    if data is not None:
        data["pictures"] = picture_data(chosen, sprite, found.answers, found.report.finding.read)
    return {
        "judged": judged,
        "matrix": matrix(judged) if judged else [],
        "margin": points(judged.margin) if judged else "",
        "has_looks": bool(finding.looks),
        "data": _as_json(data),
        "choosable": data is not None,
    }


def _classes(found: _Read, chosen: Chosen) -> dict[str, object]:
    answers, names, jobs = found.answers, found.classes, found.answered[:MOST_COLUMNS]
    read, fixed = found.report.finding.read, found.report.finding.fixed
    return {
        "f1_jobs": jobs,
        "f1": f1_rows(answers, jobs, names),
        "matrices": matrices(answers, jobs, names),
        "hardest": hardest(read, chosen, answers, jobs, names, fixed),
        "class_count": answers.classes,
        "largest_matrix": LARGEST_MATRIX,
        "answered_count": len(found.answered),
    }


def _sentences(report: Report) -> list[str]:
    """The answer: its first claim, which is the title, then the rest."""
    found = answer(report.finding)
    if not found:
        return [_without_answer(report)]
    claim, _, more = found[0].partition(". ")
    return [f"{claim}.", more, *found[1:]] if more else found


def _without_answer(report: Report) -> str:
    """What stands in the place of the answer where no rows are compared."""
    summary = report.summary
    good = summary[summary["accuracy"].notna()]
    if good.empty:
        return "No trial has finished with a result, so there is nothing to compare."
    if len(good) == 1:
        row = good.iloc[0]
        low, high = 100 * row["accuracy_low"], 100 * row["accuracy_high"]
        return f"{row['job']}: {row['accuracy']:.2%} of the test images, 95 % interval {low:.2f} to {high:.2f}."
    return "The rows are not compared; the notes below the table say why."


@cache
def _templates() -> jinja2.Environment:
    found = environment(_FOLDER / "templates")
    found.globals["mark"] = mark
    return found


def _as_json(value: object) -> Markup:
    """JSON within an element: no `<` could end it."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
