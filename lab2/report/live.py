"""The live view of a run: a table with progress bars, or plain lines where the output is no terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lab2.foreign_text import for_terminal
from lab2.report.sparkline import sparkline
from lab2.results.journal import Progress

_STYLES = {"ok": "green", "running": "cyan", "waiting": "dim", "queued": "dim", "cancelled": "yellow"}
_LEAST_CURVE, _WIDEST_CURVE = 8, 20  # characters


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
    trials wait or have ended. The table fits 80 columns if the names of the trials have at most 26 characters.
    """
    nodes = any(line.node for line in lines)
    known = {trial: values for trial, values in (curves or {}).items() if values}
    lowest = min((min(values) for values in known.values()), default=0.0)
    highest = max((max(values) for values in known.values()), default=1.0)
    bar, drawn = _widths(lines, width, nodes=nodes, curves=bool(known))
    table = _empty(["node"] if nodes else [], ["curve"] * bool(drawn))
    for line in lines:
        now = line.progress or Progress(state="starting")
        share = 1.0 if line.state == "ok" else now.epoch / now.epochs if now.epochs else 0.0
        table.add_row(
            Text(for_terminal(line.trial)),
            Text(doing(line), style=_style(line)),
            *([Text(for_terminal(line.node))] if nodes else []),
            ProgressBar(total=1.0, completed=share, width=bar),
            *([sparkline(known.get(line.trial, ()), lowest, highest, drawn)] if drawn else []),
            epochs(now, "/") if now.epochs else "",
            "" if now.loss is None else f"{now.loss:.3f}",
            "" if now.validation_accuracy is None else f"{now.validation_accuracy:.2%}",
            clock(now.seconds_left) if now.seconds_left is not None and line.state == "running" else "",
        )
    reasons = [Text(for_terminal(f"{line.trial}: {line.reason}"), style=_style(line)) for line in lines if line.reason]
    return Group(table, *reasons)


def _empty(nodes: list[str], curves: list[str]) -> Table:
    """The table without rows."""
    table = Table(box=None, pad_edge=False)
    for title in ("trial", "state", *nodes, "", *curves, "epoch", "loss", "validation", "left"):
        left = title in ("trial", "state", "node", "", "curve")
        table.add_column(title, justify="left" if left else "right", no_wrap=True)
    return table


def _widths(lines: Sequence[Line], width: int, *, nodes: bool, curves: bool) -> tuple[int, int]:
    """The characters of the progress bars, and of the curves: 0 where there is no room for them."""
    longer = max((len(line.trial) for line in lines), default=0) - 20
    room = (10 if nodes else 14) - min(6, max(0, longer)) + max(0, width - 80)
    curve = min(_WIDEST_CURVE, max(_LEAST_CURVE, room - 15)) if curves and room >= _LEAST_CURVE + 5 else 0
    return min(14, room - curve - bool(curve)), curve


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
