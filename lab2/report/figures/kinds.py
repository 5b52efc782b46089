"""The kinds of figures: `KINDS` lists them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lab2.errors import ConfigError
from lab2.report.costs import COSTS
from lab2.report.figures.calibration import calibration_figures
from lab2.report.figures.confusion import confusion_figures
from lab2.report.figures.cost import cost_figures
from lab2.report.figures.differences import difference_figures
from lab2.report.figures.drawing import FORMATS, SIZES, Drawing, Format, Size, files_of, require_matplotlib
from lab2.report.figures.intervals import interval_figures
from lab2.report.figures.material import Material
from lab2.report.figures.panels import curve_figures, tuning_figures
from lab2.report.figures.target import target_figures
from lab2.report.report import Report
from lab2.whole_file import write_files

COST_WORDS = tuple(cost.word for cost in COSTS)
FOLDER = "figures"  # in the folder of the report


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What figures are asked for."""

    rows: tuple[str, ...] = ()  # the jobs that are shown; empty: all
    costs: tuple[str, ...] = COST_WORDS
    linear: bool = False  # the axis of costs
    target: float | None = None  # [0, 1], validation accuracy; None: a common one
    sizes: tuple[Size, ...] = SIZES
    formats: tuple[Format, ...] = FORMATS


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of figure."""

    absent: str  # what a run lacks that has none
    drawings: Callable[[Material, Asked], Sequence[Drawing]]


KINDS: dict[str, Kind] = {
    "cost": Kind(
        absent="no row has an accuracy and such a cost, or rows are of several data sets",
        drawings=lambda found, asked: cost_figures(found, asked.costs, log=not asked.linear),
    ),
    "intervals": Kind(
        absent="no row has an accuracy",
        drawings=lambda found, _: interval_figures(found),
    ),
    "differences": Kind(
        absent="no two of these rows are compared",
        drawings=lambda found, _: difference_figures(found),
    ),
    "curves": Kind(
        absent="no trial of these rows has validated",
        drawings=lambda found, _: curve_figures(found),
    ),
    "target": Kind(
        absent="no trial of these rows has validated, or none has reached that accuracy",
        drawings=lambda found, asked: target_figures(found, asked.target),
    ),
    "tuning": Kind(
        absent="only a study by random search whose trainings have ended has tuning curves: lab2 tune",
        drawings=lambda found, _: tuning_figures(found),
    ),
    "confusion": Kind(
        absent="no row has predictions that can be read and a mistake, or rows are of several data sets",
        drawings=lambda found, _: confusion_figures(found),
    ),
    "calibration": Kind(
        absent="no row has class probabilities that can be read, or rows are of several data sets",
        drawings=lambda found, _: calibration_figures(found),
    ),
}


def draw(report: Report, kinds: Sequence[str], asked: Asked) -> list[Drawing]:
    """The figures of `kinds` that the run has. Raises `ConfigError` for a row that is not there, without matplotlib."""
    require_matplotlib()
    jobs = [str(job) for job in report.summary["job"]]
    if unknown := [row for row in asked.rows if row not in jobs]:
        raise ConfigError(f"--rows {','.join(unknown)}: no such row; there are: {', '.join(jobs)}")
    found = Material(report, asked.rows)
    return [drawing for kind in kinds for drawing in KINDS[kind].drawings(found, asked)]


def write_all(report: Report) -> tuple[list[str], list[OSError]]:
    """Write all figures of a report beside its tables; returns what was written, in words, and the errors.

    Raises `ConfigError` without matplotlib.
    """
    drawings = draw(report, list(KINDS), Asked())
    written, refused = write_files(report.run.report / FOLDER, files_of(drawings))
    return [f"{len(written)} files of figures in {FOLDER}/"] * bool(written), refused
