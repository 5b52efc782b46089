"""The live view of a run: a table with progress bars, or plain lines where the output is no terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lab2.foreign_text import for_terminal
from lab2.report.sparkline import sparkline
from lab2.results.journal import Progress

_STYLES = {"ok": "green", "running": "cyan", "waiting": "dim", "queued": "dim", "cancelled": "yellow"}
_LEFT = ("trial", "state", "node")  # the titles of the columns that begin at the left
_LEAST_BAR, _WIDEST_BAR, _LEAST_CURVE, _WIDEST_CURVE = 4, 14, 8, 20  # characters
_GAP = 2  # between two columns


class Line(Protocol):
    """The status of a trial, as the view needs it."""

    @property
    def trial(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def node(self) -> str: ...
    @property
    def progress(self) -> Progress | None: ...


def live_table(lines: Sequence[Line], curves: Mapping[str, Sequence[float]] | None = None, width: int = 80) -> Group:
    """A row per trial: state, node (where known), bar, curve, epoch, loss, validation accuracy, time left.

    `curves` holds the validation accuracies of each trial so far, which are drawn where the `width` of the terminal has
    room for them. All have one scale, from the lowest to the highest of them. Below the table stand the reasons why
    trials wait or have ended. The bars give way to long names of trials and nodes.
    """
    known = {trial: values for trial, values in (curves or {}).items() if values}
    lowest = min((min(values) for values in known.values()), default=0.0)
    highest = max((max(values) for values in known.values()), default=1.0)
    cells = _cells(lines)
    taken = sum(max(map(cell_len, (title, *texts))) + _GAP for title, texts in cells.items())
    bar, drawn = _widths(width - taken, curves=bool(known))
    table = Table(box=None, pad_edge=False)
    for title in cells:
        if title == "epoch":  # before it
            table.add_column("", no_wrap=True)
            if drawn:
                table.add_column("curve", no_wrap=True)
        table.add_column(title, justify="left" if title in _LEFT else "right", no_wrap=True)
    for line, *texts in zip(lines, *cells.values(), strict=True):
        left = [Text(text, style=style) for text, style in zip(texts[:-4], ("", _style(line), ""), strict=False)]
        pictures: list[RenderableType] = [ProgressBar(total=1.0, completed=_share(line), width=bar)]
        if drawn:
            pictures.append(sparkline(known.get(line.trial, ()), lowest, highest, drawn))
        table.add_row(*left, *pictures, *texts[-4:])
    reasons = [Text(for_terminal(f"{line.trial}: {line.reason}"), style=_style(line)) for line in lines if line.reason]
    return Group(table, *reasons)


def _cells(lines: Sequence[Line]) -> dict[str, list[str]]:
    """The texts of the table by their titles, the four of numbers last."""
    now = [line.progress or Progress(state="starting") for line in lines]
    nodes = [for_terminal(line.node) for line in lines]
    lefts = [one.seconds_left if line.state == "running" else None for line, one in zip(lines, now, strict=True)]
    return {
        "trial": [for_terminal(line.trial) for line in lines],
        "state": [doing(line) for line in lines],
        **({"node": nodes} if any(nodes) else {}),
        "epoch": [epochs(one, "/") if one.epochs else "" for one in now],
        "loss": ["" if one.loss is None else f"{one.loss:.3f}" for one in now],
        "validation": ["" if one.validation_accuracy is None else f"{one.validation_accuracy:.2%}" for one in now],
        "left": ["" if left is None else clock(left) for left in lefts],
    }


def _share(line: Line) -> float:
    """What is done of a trial's training, in [0, 1]."""
    if line.state == "ok":
        return 1.0
    now = line.progress
    return now.epoch / now.epochs if now and now.epochs else 0.0


def _widths(room: int, *, curves: bool) -> tuple[int, int]:
    """The characters of the progress bars, and of the curves: 0 where there is no room for them."""
    if not curves or room < _LEAST_CURVE + _GAP + _LEAST_BAR:
        return min(_WIDEST_BAR, max(_LEAST_BAR, room)), 0
    curve = min(_WIDEST_CURVE, max(_LEAST_CURVE, room - _GAP - _WIDEST_BAR))
    return min(_WIDEST_BAR, room - curve - _GAP), curve


class PlainLines:
    """Reports changes since the last call, one line per change."""

    def __init__(self) -> None:
        self.reported: dict[str, tuple[str, float | None]] = {}

    def changes(self, lines: Sequence[Line]) -> list[str]:
        """A line for each trial whose state or validation accuracy has changed."""
        new = []
        for line in lines:
            now = line.progress
            accuracy = now.validation_accuracy if now else None
            current = (doing(line), accuracy if line.state == "running" else None)
            if current != self.reported.get(line.trial, ("waiting", None)):
                self.reported[line.trial] = current
                new.append(_sentence(line, now))
        return new


def _sentence(line: Line, now: Progress | None) -> str:
    words = [f"{line.trial}: {doing(line)}"]
    if line.state == "running" and now and now.validation_accuracy is not None and now.loss is not None:
        words.append(f"epoch {epochs(now, ' of ')}, loss {now.loss:.3f}")
        words.append(f"validation accuracy {now.validation_accuracy:.2%}")
        words.append(f"trained {clock(now.train_seconds)}, left {clock(now.seconds_left or 0)}")
    return ", ".join(words + ([line.reason] if line.reason else []))


def _style(line: Line) -> str:
    return _STYLES.get(line.state, "red")


def doing(line: Line) -> str:
    """The state of a trial; of one that runs what it does."""
    return line.progress.state if line.state == "running" and line.progress else line.state


def epochs(now: Progress, of: str) -> str:
    """How many epochs it has trained, and of how many, with the text `of` between them."""
    return f"{_short(min(now.epoch, now.epochs))}{of}{_short(now.epochs)}"


def _short(epochs: float) -> str:
    return f"{epochs:.0f}" if epochs >= 100 else f"{epochs:.3g}"


def clock(seconds: float) -> str:
    """Minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
