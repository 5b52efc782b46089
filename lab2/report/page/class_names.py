"""The names of the classes: those of the data set, where it was inspected."""

from __future__ import annotations

from lab2.data.findings import Findings, read_findings
from lab2.errors import DataError
from lab2.foreign_text import for_terminal
from lab2.report.page.answers import Answers
from lab2.report.report import Report


def class_names(report: Report, findings: list[Findings], answers: Answers) -> list[str]:
    """Of the data set, else numbers. As many as any predictions have, and the test labels."""
    truth = report.finding.read.truth
    count = max(answers.classes, int(truth.max()) + 1 if truth is not None else 0)
    known = [for_terminal(name) for name in findings[0].classes] if findings else []
    return [*known, *(f"class {number}" for number in range(len(known), count))]


def findings_of(report: Report) -> list[Findings]:
    """What was found in the data, once where the same pictures were decoded at several sides.

    None where it cannot be read: `collect` has warned of it.
    """
    try:
        found = read_findings(report.run.findings)
    except DataError:
        return []
    unique = {(one.dataset, one.split, tuple(one.counts.items())): one for one in reversed(found)}
    return list(reversed(unique.values()))
