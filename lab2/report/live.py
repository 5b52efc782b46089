"""The live view of a run: a table with progress bars, or plain lines where the output is no terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lab2.foreign_text import for_terminal
from lab2.results.journal import Progress

_STYLES = {"ok": "green", "running": "cyan", "waiting": "dim", "queued": "dim", "cancelled": "yellow"}


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


def live_table(lines: Sequence[Line]) -> Group:
    """A row per trial: state, node (where known), bar, epoch, loss, validation accuracy, time left.

    Below the table stand the reasons why trials wait or have ended. The table fits 80 columns if the names of the
    trials have at most 26 characters.
    """
    table = Table(box=None, pad_edge=False)
    nodes = {line.node for line in lines} - {""}
    titles = ("trial", "state", *(["node"] if nodes else []), "", "epoch", "loss", "validation", "left")
    for title in titles:
        left = title in ("trial", "state", "node", "")
        table.add_column(title, justify="left" if left else "right", no_wrap=True)
    narrower = min(6, max(0, max((len(line.trial) for line in lines), default=0) - 20))
    for line in lines:
        now = line.progress or Progress(state="starting")
        share = 1.0 if line.state == "ok" else now.epoch / now.epochs if now.epochs else 0.0
        table.add_row(
            Text(for_terminal(line.trial)),
            Text(_doing(line), style=_style(line)),
            *([Text(for_terminal(line.node))] if nodes else []),
            ProgressBar(total=1.0, completed=share, width=(10 if nodes else 14) - narrower),
            _epochs(now, "/") if now.epochs else "",
            "" if now.loss is None else f"{now.loss:.3f}",
            "" if now.validation_accuracy is None else f"{now.validation_accuracy:.2%}",
            _clock(now.seconds_left) if now.seconds_left is not None and line.state == "running" else "",
        )
    reasons = [Text(for_terminal(f"{line.trial}: {line.reason}"), style=_style(line)) for line in lines if line.reason]
    return Group(table, *reasons)


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
            current = (_doing(line), accuracy if line.state == "running" else None)
            if current != self.reported.get(line.trial, ("waiting", None)):
                self.reported[line.trial] = current
                new.append(_sentence(line, now))
        return new


def _sentence(line: Line, now: Progress | None) -> str:
    words = [f"{line.trial}: {_doing(line)}"]
    if line.state == "running" and now and now.validation_accuracy is not None and now.loss is not None:
        words.append(f"epoch {_epochs(now, ' of ')}, loss {now.loss:.3f}")
        words.append(f"validation accuracy {now.validation_accuracy:.2%}")
        words.append(f"trained {_clock(now.train_seconds)}, left {_clock(now.seconds_left or 0)}")
    return ", ".join(words + ([line.reason] if line.reason else []))


def _style(line: Line) -> str:
    return _STYLES.get(line.state, "red")


def _doing(line: Line) -> str:
    return line.progress.state if line.state == "running" and line.progress else line.state


def _epochs(now: Progress, of: str) -> str:
    return f"{_short(min(now.epoch, now.epochs))}{of}{_short(now.epochs)}"


def _short(epochs: float) -> str:
    return f"{epochs:.0f}" if epochs >= 100 else f"{epochs:.3g}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
