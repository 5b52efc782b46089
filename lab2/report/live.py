"""The live view of a run: a table with progress bars, or plain lines where the output is no terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lab2.foreign_text import for_terminal
from lab2.report.sparkline import sparkline
from lab2.results.journal import Progress
from lab2.words import counted

_STYLES = {"ok": "green", "running": "cyan", "waiting": "dim", "queued": "dim", "cancelled": "yellow"}
_LEFT = ("trial", "state", "node")  # the titles of the columns that begin at the left
# The titles of the columns of text, the least important last: a narrow terminal gives it up first, never these two.
_BY_RANK = ("trial", "state", "epoch", "left", "validation", "node", "loss")
_ALWAYS = _BY_RANK[:2]
_LEAST_BAR, _WIDEST_BAR, _LEAST_CURVE, _WIDEST_CURVE = 4, 14, 8, 20  # characters
_GAP = 2  # between two columns
# The states of trials, those that matter most first.
_STATES = ("running", "lost", "stuck", "failed", "out_of_memory", "timeout", "ok", "cancelled", "queued", "waiting")


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


OneLine = TypeVar("OneLine", bound=Line)


def rank(state: str) -> int:
    """How much a state matters: 0 the most."""
    return _STATES.index(state) if state in _STATES else len(_STATES)


def by_importance(lines: Sequence[OneLine]) -> list[OneLine]:
    """Those that matter most first: that run, that went wrong, that ended well (the last of the plan first), others."""
    finished = [line for line in reversed(lines) if line.state == "ok"]
    others = [line for line in lines if line.state != "ok"]
    return sorted((*finished, *others), key=lambda line: rank(line.state))


def listed(lines: Sequence[OneLine], most: int) -> list[OneLine]:
    """All, or the `most` that matter most, in the plan's order."""
    names = {line.trial for line in by_importance(lines)[:most]}
    return [line for line in lines if line.trial in names]


def live_table(
    lines: Sequence[Line],
    curves: Mapping[str, Sequence[float]] | None = None,
    width: int = 80,
    height: int | None = None,
) -> Group:
    """A row per trial: state, node (where known), bar, curve, epoch, loss, validation accuracy, time left.

    What does not fit into the `width` of the terminal is left out, and said below: first bars and curves, then columns
    by their rank. `curves` holds the validation accuracies of each trial so far. All have one scale, from the lowest to
    the highest of them. Below the table stand the reasons why trials wait or have ended. Where not all of it fits into
    `height`, the trials that matter most are shown, and the last line counts the others.
    """
    shown, reasons = _fitting(lines, width, height)
    known = {trial: values for trial, values in (curves or {}).items() if values}
    cells = _cells(shown)
    fitting = _columns(cells, width)
    text = {title: texts for title, texts in cells.items() if title in fitting}
    below = [Text(_reason(line), style=_style(line)) for line in reasons]
    if left_out := [title for title in cells if title not in fitting]:
        below.append(Text(_left_out(left_out), style="dim"))
    states = Counter(line.state for line in lines) - Counter(line.state for line in shown)
    silent = sum(bool(line.reason) for line in shown) - len(reasons)
    if states or silent:
        below.append(Text(_others(states, silent), style="dim"))
    return Group(_table(shown, text, known, width), *below)


def _table(
    lines: Sequence[Line], cells: dict[str, list[str]], curves: Mapping[str, Sequence[float]], width: int
) -> Table:
    """The columns of text, and between those of words and those of numbers the pictures for which there is room."""
    bar, drawn = _widths(width - sum(_needed(title, cells) for title in cells), curves=bool(curves))
    lowest = min((min(values) for values in curves.values()), default=0.0)
    highest = max((max(values) for values in curves.values()), default=1.0)
    columns: list[tuple[str, Sequence[RenderableType]]] = []
    for title in (title for title in cells if title in _LEFT):
        style = _style if title == "state" else _no_style
        columns.append((title, [Text(text, style=style(line)) for line, text in zip(lines, cells[title], strict=True)]))
    if bar:
        columns.append(("", [ProgressBar(total=1.0, completed=_share(line), width=bar) for line in lines]))
    if drawn:
        columns.append(("curve", [sparkline(curves.get(one.trial, ()), lowest, highest, drawn) for one in lines]))
    columns += [(title, texts) for title, texts in cells.items() if title not in _LEFT]
    table = Table(box=None, pad_edge=False)
    for title, _ in columns:
        left = title in (*_LEFT, "", "curve")
        wraps = title == "trial"  # a name that is longer than the line goes on in the next
        table.add_column(title, justify="left" if left else "right", no_wrap=not wraps, overflow="fold")
    for row in zip(*(texts for _, texts in columns), strict=True):
        table.add_row(*row)
    return table


def _fitting(lines: Sequence[Line], width: int, height: int | None) -> tuple[list[Line], list[Line]]:
    """The trials that are shown and those whose reason is, in the plan's order."""
    reasons = [line for line in lines if line.reason]
    if height is None:
        return list(lines), reasons
    tall = {line.trial: _lines_of(_reason(line), width) for line in reasons}
    room = height - 1 - _lines_of(_left_out(_BY_RANK), width)  # 1: the titles
    if len(lines) + sum(tall.values()) <= room:
        return list(lines), reasons
    room = max(1, room - _lines_of(_others(Counter(line.state for line in lines), len(reasons)), width))
    shown, explained = set(), set()
    for line in by_importance(lines):
        if not room:
            break
        shown.add(line.trial)
        room -= 1
        if line.reason and tall[line.trial] <= room:
            explained.add(line.trial)
            room -= tall[line.trial]
    return [one for one in lines if one.trial in shown], [one for one in reasons if one.trial in explained]


def _lines_of(text: str, width: int) -> int:
    return len(Text(text).wrap(Console(width=width), width))


def _left_out(titles: Sequence[str]) -> str:
    return f"no room for: {', '.join(titles)}"


def _others(states: Counter[str], reasons: int) -> str:
    """Of how many trials, by state, and reasons of others there is nothing to see."""
    each = ", ".join(f"{states[state]:,} {state}" for state in sorted(states, key=rank))
    trials = [f"{counted(states.total(), 'more trial')}: {each}"] if states else []
    return "; ".join([*trials, *[counted(reasons, "more reason")] * bool(reasons), "lab2 status has all"])


def _reason(line: Line) -> str:
    return for_terminal(f"{line.trial}: {line.reason}")


def _cells(lines: Sequence[Line]) -> dict[str, list[str]]:
    """The texts of the table by their titles."""
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


def _needed(title: str, cells: dict[str, list[str]]) -> int:
    return max(map(cell_len, (title, *cells[title]))) + _GAP


def _columns(cells: dict[str, list[str]], width: int) -> set[str]:
    """The titles of the columns for which there is room."""
    room, fitting = width + _GAP, set()  # there is no gap behind the last
    for title in _BY_RANK:
        if title in cells and (title in _ALWAYS or _needed(title, cells) <= room):
            room -= _needed(title, cells)
            fitting.add(title)
    return fitting


def _share(line: Line) -> float:
    """What is done of a trial's training, in [0, 1]."""
    if line.state == "ok":
        return 1.0
    now = line.progress
    return now.epoch / now.epochs if now and now.epochs else 0.0


def _widths(room: int, *, curves: bool) -> tuple[int, int]:
    """The characters of the progress bars, and of the curves: 0 where there is no room for them."""
    if room < _LEAST_BAR:
        return 0, 0
    if not curves or room < _LEAST_CURVE + _GAP + _LEAST_BAR:
        return min(_WIDEST_BAR, room), 0
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


def _no_style(_: Line) -> str:
    return ""


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
    """Minutes and seconds; from an hour on hours, too."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes_of_it = divmod(minutes, 60)
    return f"{hours}:{minutes_of_it:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def clock_with_unit(seconds: float) -> str:
    """The same with the unit of its first number."""
    return f"{clock(seconds)} {'h' if round(seconds) >= 3600 else 'min'}"
