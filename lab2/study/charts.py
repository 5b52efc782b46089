"""What the claims' charts are made of: lines with intervals, and the words that say where they begin and end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from lab2.compare.joint import Joint, interval
from lab2.report.chapter import Chart, Line


def accuracy_lines(accuracy: Joint, rows: Mapping[str, Sequence[str]], x: Sequence[float]) -> tuple[Line, ...]:
    """By the name of a line its rows of `accuracy`, one for each `x`; intervals are the central 95 % of the draws."""
    return _lines(accuracy, {name: (jobs, x) for name, jobs in rows.items()})


def accuracy_points(accuracy: Joint, x: Mapping[str, float]) -> tuple[Line, ...]:
    """A point for each row, by its name, at its `x`."""
    return _lines(accuracy, {job: ([job], [at]) for job, at in x.items()})


def _lines(accuracy: Joint, wanted: Mapping[str, tuple[Sequence[str], Sequence[float]]]) -> tuple[Line, ...]:
    draws, lines = accuracy.draws(), []
    for name, (jobs, x) in wanted.items():
        places = [accuracy.names.index(job) for job in jobs]
        low, high = zip(*(interval(draws[:, place]) for place in places), strict=True)
        middle = tuple(accuracy.means[places].tolist())
        lines.append(Line(name=name, job=jobs[0], x=tuple(map(float, x)), middle=middle, low=low, high=high))
    return tuple(lines)


def repeated_line(name: str, job: str, x: Sequence[float], values: np.ndarray) -> Line:
    """The mean of repeats between the least and the most of them. `values`: (R, n) of R repeats at each of n `x`."""
    middle, low, high = (tuple(one.tolist()) for one in (values.mean(0), values.min(0), values.max(0)))
    return Line(name=name, job=job, x=tuple(map(float, x)), middle=middle, low=low, high=high)


def by_strength(
    conditions: Mapping[str, Mapping[str, float]], clean: str, job: Callable[[str], str]
) -> tuple[Chart, ...]:
    """A chart for each corruption: the accuracy of each network without it, then at each strength.

    `conditions`: by the name of the images, `clean` or as "fog 3", the mean accuracy of each network; `job` gives the
    job of a network that answered them.
    """
    strengths: dict[str, list[Mapping[str, float]]] = {}
    for name, means in conditions.items():
        kind, _, strength = name.rpartition(" ")
        if strength.isdigit():
            strengths.setdefault(kind, [conditions[clean]]).append(means)
    charts = []
    for kind, those in strengths.items():
        lines = []
        for name in those[0]:
            middle = tuple(means[name] for means in those)
            x = tuple(map(float, range(len(those))))
            lines.append(Line(name=name, job=job(name), x=x, middle=middle, low=middle, high=middle))
        charts.append(
            Chart(
                title=kind.replace("_", " "),
                conclusion=ends(lines, "Without it", f"at strength {len(those) - 1}"),
                x="strength",
                y="%",
                lines=tuple(lines),
                scale="linear",
            )
        )
    return tuple(charts)


def ends(
    lines: Sequence[Line], first: str, last: str, value: Callable[[float], str] = lambda share: f"{share:.2%}"
) -> str:
    """What each line has at its first place and at its last one, in a sentence. `first` and `last`: where these are."""
    each = "; ".join(f"{one.name} {value(one.middle[0])}, {value(one.middle[-1])}" for one in lines)
    return f"{first}, then {last}: {each}."
