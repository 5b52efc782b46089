"""The page of a run that goes on. The server sends what changes in it as HTML; the page's script puts it in its place.

All text is escaped by Jinja2. A content security policy allows the page's own script and style, by their SHA-256, and
connections to the server that it came from, and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup

from lab2.launch.status import TrialStatus
from lab2.report import page as report_page
from lab2.report.live import clock, clock_with_unit, doing, epochs
from lab2.report.page.curves import draw_trials
from lab2.report.page.document import environment, policy
from lab2.report.page.styles import styles_of
from lab2.watch.standing import MOST_CURVES, MOST_ROWS, Standing

_FOLDER = Path(__file__).parent
_REPORT = Path(report_page.__file__).parent
_USUAL_VALIDATION = 5000  # images, of MNIST; only the end of a scale depends on it


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A trial as the table shows it; "": nothing to show."""

    trial: str
    state: str
    kind: str  # running, failed (whatever became of it), or nothing of note
    share: float  # of its training that is done, in [0, 1]
    epochs: str
    loss: str
    accuracy: str
    left: str
    host: str


def live_page(standing: Standing, trouble: str = "") -> tuple[bytes, str]:
    """The whole page, and its content security policy as a header."""
    script = (_FOLDER / "watch.js").read_text()
    style = (_REPORT / "page.css").read_text() + (_FOLDER / "watch.css").read_text()
    allowed = policy(script, style, "connect-src 'self'")
    page = (
        _templates()
        .get_template("page.html.j2")
        .render(
            run_id=standing.plan.run_id,
            summary=summary(standing),
            now=Markup(now_html(standing, trouble)),
            script=Markup(script),
            style=Markup(style),
            policy=allowed,
        )
    )
    return page.encode(), f"{allowed}; frame-ancestors 'none'"


def now_html(standing: Standing, trouble: str = "") -> str:
    """What changes in the page, as HTML. `trouble`: why there is nothing newer to show."""
    plan = standing.plan
    images = {trial.data.validation_images or _USUAL_VALIDATION for trial in plan.trials}
    left = standing.seconds_left
    return _templates().get_template("now.j2").render(
        warnings=[text for text in (trouble, standing.caveat) if text],
        left="" if left is None else clock_with_unit(left),
        rows=[_row(line, standing) for line in standing.listed],
        more=max(0, len(standing.trials) - MOST_ROWS),
        shown_hosts=any(standing.hosts.values()),
        nodes=standing.nodes,
        reasons=[(line.trial, line.state, line.reason) for line in standing.listed if line.reason],
        curves=draw_trials(standing.curves, styles_of(trial.job for trial in plan.trials), 0.5 / max(images)),
        without_curves=max(0, len(plan.trials) - MOST_CURVES),
    )  # fmt: skip


def summary(standing: Standing) -> str:
    """One sentence, for the title and for those who listen to the page."""
    finished = sum(line.finished for line in standing.trials)
    others = [f"{count} {state}" for state, count in standing.counts.items() if state != "ok"]
    return ", ".join([f"{finished} of {len(standing.trials)} trials finished", *others])


def _row(line: TrialStatus, standing: Standing) -> Row:
    now = line.progress
    return Row(
        trial=line.trial,
        state=doing(line),
        kind="running" if line.state == "running" else "failed" if line.ended and not line.finished else "",
        share=1.0 if line.finished else min(1.0, now.epoch / now.epochs) if now and now.epochs else 0.0,
        epochs=epochs(now, " of ") if now and now.epochs else "",
        loss="" if now is None or now.loss is None else f"{now.loss:.3f}",
        accuracy="" if now is None or now.validation_accuracy is None else f"{now.validation_accuracy:.2%}",
        left=clock(now.seconds_left) if now and now.seconds_left is not None and line.state == "running" else "",
        host=standing.hosts.get(line.trial, ""),
    )


@cache
def _templates() -> jinja2.Environment:
    return environment(_FOLDER / "templates")
