"""The table in LaTeX, for a paper: rules by booktabs, the letters of groups as superscripts, notes below it."""

from __future__ import annotations

import re

from lab2.foreign_text import for_latex
from lab2.report.answer import answer, caveats
from lab2.report.caption import caption, failures, remarks
from lab2.report.columns import ABSENT, COLUMNS, Column
from lab2.report.report import Report

WIDEST = 4  # rank of the last columns that a page is wide enough for
LOOKS = "A pair whose seeds were added in planned looks is judged at the level of its look."
LETTERS = "Rows that share a letter are not shown to differ."
_GROUP, _ACCURACY, _STATUS = "group", "test accuracy [95 %]", "status"
_LEFT = ("model", "weights", _ACCURACY)  # the letters behind an accuracy would move it, were it on the right


def latex(report: Report) -> str:
    """A `table` of ASCII alone, for `\\input` where `booktabs` is loaded.

    The columns are those of the terminal, as far as a page has room; a comment names the others. The group's letters
    stand behind the accuracy. Everything that stands around the Markdown table stands in the caption and the notes.
    """
    rows = [row for _, row in report.summary.iterrows()]
    filled = [c for c in COLUMNS if any(c.text(row) != ABSENT for row in rows)]
    if all(row["status"] == "ok" for row in rows):
        filled = [c for c in filled if c.title != _STATUS]
    has_letters = any(c.title == _GROUP for c in filled)
    shown = [c for c in filled if c.rank <= WIDEST and c.title != _GROUP]
    left_out = [c.title for c in filled if c.rank > WIDEST]
    letters = {row["job"]: row["letters"] for row in rows} if has_letters else {}
    lines = [
        *([f"% no room for: {', '.join(left_out)}; table.csv has all"] if left_out else []),
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{for_latex(caption(report.comparison))}}}",
        rf"\label{{tab:{re.sub('[^A-Za-z0-9.-]', '-', report.comparison.plan.run_id)}}}",
        rf"\begin{{tabular}}{{{''.join('l' if c.title in _LEFT else 'r' for c in shown)}}}",
        r"\toprule",
        _row([for_latex(c.title) for c in shown]),
        r"\midrule",
        *(_row([_cell(c, c.text(row), letters.get(row["job"])) for c in shown]) for row in rows),
        r"\bottomrule",
        r"\end{tabular}",
        *_notes(report, has_letters),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _row(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


def _cell(column: Column, text: str, letters: object) -> str:
    behind = column.title == _ACCURACY and isinstance(letters, str)
    return for_latex(text) + (rf"\textsuperscript{{{letters}}}" if behind else "")


def _notes(report: Report, has_letters: bool) -> list[str]:
    """The notes, a paragraph each, in a box below the table."""
    summary, comparison = report.summary, report.comparison
    sentences = answer(report.finding)
    plain = [
        *([*caveats(summary), *sentences] if sentences else []),
        *([LETTERS] if has_letters else []),
        *([LOOKS] if has_letters and report.finding.looks else []),
        *failures(summary),
        *remarks(summary),
        *report.notes,
        *comparison.warnings,
    ]
    notes = [rf"\textbf{{{for_latex(leak)}}}\par" for leak in comparison.leaks]
    notes += [rf"{for_latex(text)}\par" for text in plain]
    if not notes:
        return []
    return [r"\par\medskip", r"\begin{minipage}{\linewidth}", r"\footnotesize", *notes, r"\end{minipage}"]
