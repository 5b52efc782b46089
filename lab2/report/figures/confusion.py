"""Confusion matrices: which class a row takes for which; of many classes the commonest mistakes as bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab2.report.axes import Axis, apart, linear_axis
from lab2.report.figures.drawing import Drawing, Size
from lab2.report.figures.listing import Dot, Line, Listing
from lab2.report.figures.material import Material
from lab2.report.figures.sheet import HEAT, INK, LETTER, LINE, QUIET, SMALL, Room, Sheet
from lab2.report.labels import shortened
from lab2.report.page.answers import JobAnswers
from lab2.report.page.classes import HEAT as SHADES
from lab2.report.page.classes import Matrix, in_images, matrices, named
from lab2.report.page.styles import Style

MOST_LETTERS = 14  # of a class's name beside a matrix
NAMED = 3  # mistakes, in words


def confusion_figures(found: Material) -> list[Drawing]:
    """A figure for each chosen row."""
    jobs = [job for job in found.order if job in found.answers.jobs]
    drawings = []
    for one in matrices(found.answers, jobs, found.classes):
        answers = found.answers.jobs[one.job]
        if one.rows:
            chart: _Chart | Listing = _Chart(one)
        elif answers.confusions:
            chart = _bars(answers, found.classes, found.styles[one.job])
        else:
            continue
        drawings.append(
            Drawing(
                name=f"confusion-{one.job}",
                title=f"Which class {one.job} takes for which",
                conclusion=_conclusion(one, answers),
                height=chart.height,
                draw=chart.draw,
            )
        )
    return drawings


def _conclusion(one: Matrix, answers: JobAnswers) -> str:
    seeds = f", mean of {answers.seeds} seeds" if answers.seeds > 1 else ""
    if not one.confusions:
        return f"{one.job} takes no test image for another class{seeds}."
    commonest = "; ".join(each.text for each in one.confusions[:NAMED])
    return f"{one.job}: the commonest mistakes, in test images{seeds}: {commonest}."


@dataclass(frozen=True, slots=True)
class _Chart:
    """A matrix: a line a true class, a column an answer, the darker the commoner a mistake is."""

    matrix: Matrix

    def height(self, size: Size) -> float:
        """What it needs, in ems."""
        return 3.2 + self._names * 0.6 + len(self.matrix.rows) * (1.7 if size.wide else 2.0)

    @property
    def _names(self) -> int:
        """Letters of the longest class's name, as it is shown."""
        return min(MOST_LETTERS, max(map(len, self.matrix.columns)))

    def draw(self, sheet: Sheet) -> None:
        em, rows, columns = sheet.em, self.matrix.rows, self.matrix.columns
        names = [shortened(name, MOST_LETTERS) for name, _ in rows]
        heads = [shortened(name, MOST_LETTERS) for name in columns]
        left = max(sheet.width_of(name, SMALL) for name in names) + 1.0 * em
        above = max(sheet.width_of(name, SMALL) for name in heads) + 2.2 * em
        room = Room(left=left, top=above, right=sheet.width - 0.4 * em, bottom=sheet.height - 0.4 * em)
        wide, high = (room.right - room.left) / len(columns), (room.bottom - room.top) / len(rows)
        size = min(SMALL, 0.62 * high / em, wide / (2.7 * em))
        sheet.text(0.4 * em, 1.1 * em, "test images: a line a true class, a column an answer", colour=QUIET, size=SMALL)
        for place, name in enumerate(heads):
            self._head(sheet, room.left + wide * (place + 0.5), room.top - 0.5 * em, name)
        for number, ((_, cells), name) in enumerate(zip(rows, names, strict=True)):
            top = room.top + high * number
            middle = top + high / 2
            sheet.text(room.left - 0.5 * em, middle + 0.33 * em, name, anchor="end", size=SMALL)
            for place, cell in enumerate(cells):
                at = room.left + wide * place
                gap = 0.06 * em
                square = Room(left=at + gap, top=top + gap, right=at + wide - gap, bottom=top + high - gap)
                if cell.right:
                    sheet.box(square, LINE, 0.6)
                elif cell.heat:
                    sheet.box(square, HEAT, 0.06 + 0.4 * cell.heat / SHADES)
                else:
                    sheet.box(square, LINE, 0.15)
                if cell.text:
                    colour = QUIET if cell.right else INK
                    base = middle + 0.36 * size * em
                    sheet.text(at + wide / 2, base, cell.text, anchor="middle", colour=colour, size=size)

    def _head(self, sheet: Sheet, x: float, y: float, name: str) -> None:
        """The name of a column, upwards where it is long."""
        if self._names <= 2:
            sheet.text(x, y, name, anchor="middle", size=SMALL)
        else:
            sheet.text(x + 0.33 * sheet.em, y, name, size=SMALL, turned=True)


def _bars(answers: JobAnswers, classes: Sequence[str], style: Style) -> Listing:
    """The commonest mistakes of many classes, a line each."""
    lines = []
    for truth, said, images in answers.confusions:
        names = [shortened(named(label, classes, len(answers.f1)), MOST_LETTERS) for label in (truth, said)]
        dots = (Dot(value=images, style=style),)
        lines.append(
            Line(
                name=" → ".join(names), numbers=in_images(images), dots=dots, low=0.0, high=images, colour=style.colour
            )
        )
    most = max(images for _, _, images in answers.confusions)

    def axis(start: float, end: float, em: float) -> Axis:
        return apart(linear_axis(0, most, start, end), 0.8 * em, LETTER * em)

    return Listing(lines=lines, axis=axis, title="test images: true class → answer")
