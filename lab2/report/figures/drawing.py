"""A figure in two sizes and three formats. The same run gives the same bytes, with the same matplotlib.

An SVG keeps its text as text, a PDF embeds the letters that it uses. What a figure shows stands in it in words, too: as
`<title>` and `<desc>` of the SVG, as metadata of PDF and PNG. Source: SVG 2 (W3C), 5.8; PDF 1.7 (ISO 32000), 14.3.3.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal, get_args

from markupsafe import escape

from lab2.errors import ConfigError
from lab2.foreign_text import one_line
from lab2.report.figures.fonts import FAMILY
from lab2.report.figures.sheet import WIDE, Sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Format = Literal["svg", "pdf", "png"]
FORMATS: tuple[Format, ...] = get_args(Format)
POINTS = 72  # an inch
SALT = "lab2"  # of the names of an SVG's parts, which else are new each time


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What a figure is for: inches of paper, points of its text."""

    name: str
    width: float
    height: float | None  # None: as high as the figure needs
    font: float
    dpi: int  # of the PNG

    @property
    def wide(self) -> bool:
        """As `Sheet.wide`, where the text need not be made smaller."""
        return self.width * POINTS > WIDE * self.font


COLUMN = Size(name="column", width=3.3, height=None, font=7, dpi=300)
SLIDE = Size(name="slide", width=40 / 3, height=7.5, font=20, dpi=144)
SIZES = (COLUMN, SLIDE)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Drawing:
    """A figure before it has a size."""

    name: str  # of its files
    title: str  # what it is of
    conclusion: str  # what it shows
    height: Callable[[Size], float]  # in ems: what it needs
    draw: Callable[[Sheet], None]


def require_matplotlib() -> None:
    """Raise `ConfigError` unless matplotlib is installed."""
    if find_spec("matplotlib") is None:
        raise ConfigError("figures need matplotlib, which is not installed; pip install 'lab2[figures]'")


def files_of(
    drawings: Sequence[Drawing], sizes: Sequence[Size] = SIZES, formats: Sequence[Format] = FORMATS
) -> Iterator[tuple[str, bytes]]:
    """Each figure in each size and format: the name of its file, and what is in it."""
    for one in drawings:
        for size in sizes:
            for form in formats:
                yield f"{one.name}-{size.name}.{form}", rendered(one, size, form)


def rendered(drawing: Drawing, size: Size, form: Format) -> bytes:
    """The figure as a file. What a user's matplotlibrc sets does not change it."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(
            {
                "font.family": FAMILY, "svg.fonttype": "none", "svg.hashsalt": SALT, "pdf.fonttype": 42,
                "path.simplify": False, "text.parse_math": False,
            }
        )  # fmt: skip
        written, dpi = io.BytesIO(), size.dpi if form == "png" else POINTS
        figure_of(drawing, size).savefig(written, format=form, dpi=dpi, metadata=_metadata(drawing, form))
    return _described(written.getvalue(), drawing) if form == "svg" else written.getvalue()


def figure_of(drawing: Drawing, size: Size) -> Figure:
    """The drawn figure: one axes over all of the paper, in points, y downwards."""
    from matplotlib.figure import Figure

    wide, needed = size.width * POINTS, drawing.height(size) * size.font
    high = needed if size.height is None else size.height * POINTS
    figure = Figure(figsize=(wide / POINTS, high / POINTS), dpi=POINTS)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, wide)
    axes.set_ylim(high, 0)
    em = size.font * min(1.0, high / needed)  # on paper of a fixed height, smaller text where much is to be shown
    drawing.draw(Sheet(axes=axes, width=wide, height=high, em=em))
    return figure


def _metadata(drawing: Drawing, form: Format) -> dict[str, str | None]:
    """Title and conclusion, and no date."""
    title, conclusion = one_line(drawing.title), one_line(drawing.conclusion)
    if form == "pdf":
        return {"Title": title, "Subject": conclusion, "CreationDate": None}
    if form == "png":
        return {"Title": title, "Description": conclusion}
    return {"Title": title, "Description": conclusion, "Date": None}


def _described(svg: bytes, drawing: Drawing) -> bytes:
    """With `<desc>` behind `<title>`, and as a picture to programs that read aloud."""
    desc = f'</title>\n <desc id="conclusion">{escape(one_line(drawing.conclusion))}</desc>'
    text = svg.decode().replace("</title>", desc, 1).replace("<title>", '<title id="title">', 1)
    return text.replace("<svg ", '<svg role="img" aria-labelledby="title conclusion" ', 1).encode()
