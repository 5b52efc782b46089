"""The table as text for a terminal and for Markdown, and as files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from lab2.foreign_text import for_csv, for_markdown, for_terminal
from lab2.results.collect import Comparison
from lab2.results.run_dir import RunDir
from lab2.whole_file import write_whole

ABSENT = "–"
CHANCE = " †"  # beside an accuracy: not shown to be better than naming the commonest class
# What the caption tells of the trials that ended well.
_ORIGIN = [
    *("job", "dataset", "train_images", "weights", "precision", "device_name", "device", "threads"),
    "flops_uncounted",
    *("lab2_version", "git_commit", "git_dirty"),
]


ALWAYS = ("model", "test accuracy [95 %]", "status")  # shown in any terminal
# Which of the other columns a narrow terminal gives up last.
IMPORTANCE = (
    *ALWAYS, "training", "parameters", "seeds", "F1", "latency p50", "memory to train", "precision", "to infer",
    "FLOPs/image", "mAP50", "weights",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """A heading, and how a row of the summary is written under it."""

    title: str
    text: Callable[[pd.Series], str]


def _number(name: str, form: Callable[[float], str]) -> Callable[[pd.Series], str]:
    return lambda row: ABSENT if pd.isna(row[name]) else form(row[name])


def _count(value: float) -> str:
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.1f} {unit}"
    return f"{value:.0f}"


def _gibibytes(value: float) -> str:
    return f"{value / 2**30:.2f} GiB"


def _seconds(value: float) -> str:
    return f"{value:,.0f} s" if value >= 10 else f"{value:.1f} s"


def _accuracy(row: pd.Series) -> str:
    if pd.isna(row["accuracy"]):
        return ABSENT
    interval = f"[{100 * row['accuracy_low']:.2f}, {100 * row['accuracy_high']:.2f}]"
    return f"{row['accuracy']:.2%} {interval}{CHANCE * bool(row['at_chance'])}"


def _parameters(row: pd.Series) -> str:
    """All, and how many the optimiser moved where that is fewer than may move."""
    if pd.isna(row["parameters"]):
        return ABSENT
    trained = row["trained_parameters"]
    fewer = not pd.isna(trained) and trained != row["trainable_parameters"]
    return _count(row["parameters"]) + (f" ({_count(trained)} trained)" if fewer else "")


def _flops(row: pd.Series) -> str:
    """At least so many, where something that ran is not counted."""
    whole = pd.isna(row["flops_uncounted"]) or not row["flops_uncounted"]
    return ("" if whole else "≥ ") + _number("flops_per_image", _count)(row)


COLUMNS = (
    Column("model", lambda row: str(row["job"])),
    Column("test accuracy [95 %]", _accuracy),
    Column("F1", _number("macro_f1", lambda v: f"{v:.4f}")),
    Column("training", _number("train_seconds", _seconds)),
    Column("parameters", _parameters),
    Column("status", lambda row: str(row["status"])),
    Column("weights", lambda row: ", ".join(w.partition(" ")[0] for w in row["weights"].split(", ")) or ABSENT),
    Column("mAP50", _number("map_50", lambda v: f"{v:.3f}")),
    Column("precision", lambda row: ABSENT if pd.isna(row["precision"]) else str(row["precision"])),
    Column("memory to train", _number("peak_memory_bytes", _gibibytes)),
    Column("to infer", _number("inference_memory_bytes", _gibibytes)),
    Column("latency p50", _number("latency_p50_seconds", lambda v: f"{1000 * v:.1f} ms")),
    Column("FLOPs/image", _flops),
    Column("seeds", lambda row: f"{row['seeds']} of {row['seeds_expected']}"),
)


def caption(comparison: Comparison) -> str:
    """What the numbers are of, and what they are not."""
    frame = comparison.frame
    found = frame.loc[frame["status"] == "ok", _ORIGIN].drop_duplicates()
    good: list[Any] = list(found.astype(object).where(found.notna(), None).itertuples(index=False))
    parts = [f"run {comparison.plan.run_id}"]
    if good:
        where = {f"{r.device_name}, {r.device}, {r.threads} threads" for r in good}
        counts = " or ".join(f"{n:,}" for n in sorted({r.train_images or 0 for r in good}))
        parts += [f"{good[0].dataset}, {counts} training images", "; ".join(sorted(where))]
        parts += _by_jobs([(row.precision, row.job) for row in good], "in {0}", "{1} in {0}")
        parts += _by_jobs([(row.weights, row.job) for row in good], "weights: {0}", "{0} weights: {1}")
        libraries = frame.loc[frame["memory_of"] == "process", "library_memory_bytes"].max()
        parts += [] if pd.isna(libraries) else [f"{_gibibytes(libraries)} of memory are Python and its libraries"]
        code = {f"{r.lab2_version} at {(r.git_commit or 'unknown')[:12]}{'+changes' * bool(r.git_dirty)}" for r in good}
        parts.append(f"lab2 {', '.join(sorted(code))}")
    taken = Counter(comparison.taken.values())
    parts += [f"{count} of {len(frame)} trials taken over from run {run}" for run, count in taken.items()]
    text = "; ".join(parts)
    if uncounted := {row.job: row.flops_uncounted for row in good if row.flops_uncounted}:
        text += "\n≥: FLOPs are without " + "; ".join(f"{names} ({job})" for job, names in uncounted.items())
    if comparison.plan.smoke:
        text += "\nSMOKE RUN on a fraction of the data: it shows that everything works, and compares nothing."
    return text


def _by_jobs(found: list[tuple[str | None, str]], one: str, several: str) -> list[str]:
    """What was found of each job: `one` of it where all are alike, else `several`, with the jobs that it is of."""
    jobs: dict[str, list[str]] = {}
    for value, job in found:
        jobs.setdefault(value or "unknown", []).append(job)
    form = one if len(jobs) == 1 else several
    return [form.format(value, ", ".join(dict.fromkeys(names))) for value, names in jobs.items()]


def remarks(summary: pd.DataFrame) -> list[str]:
    """What has to be said of rows that have numbers."""
    return [f"{row['job']}: {row['notes']}" for _, row in summary.iterrows() if row["notes"]]


def failures(summary: pd.DataFrame) -> list[str]:
    """A sentence for each row that is not whole."""
    return [f"{row['job']}: {row['status']}: {row['reason']}" for _, row in summary.iterrows() if row["status"] != "ok"]


def terminal_table(summary: pd.DataFrame, width: int) -> tuple[Table, list[str]]:
    """The summary for a terminal of `width` characters, and the titles of columns that there was no room for.

    Columns are given room in the order of `IMPORTANCE`, and none is cut. One that no row fills is left out unsaid.
    """
    rows = [row for _, row in summary.iterrows()]
    cells = {column.title: [for_terminal(column.text(row)) for row in rows] for column in COLUMNS}
    filled = [title for title in IMPORTANCE if title in ALWAYS or any(text != ABSENT for text in cells[title])]
    shown: list[str] = []
    for title in filled:
        room = max(map(cell_len, (title, *cells[title]))) + 3  # between two columns
        if room <= width or title in ALWAYS:
            width -= room
            shown.append(title)
    table = Table(
        box=SIMPLE_HEAD, pad_edge=False, title="SMOKE RUN, not a comparison" if summary["smoke"].any() else None
    )
    in_order = [column.title for column in COLUMNS if column.title in shown]
    for title in in_order:
        table.add_column(title, justify="left" if title in ("model", "weights") else "right", no_wrap=True)
    for number, row in enumerate(rows):
        style = "" if row["status"] == "ok" else "red"
        table.add_row(*(Text(cells[title][number], style=style) for title in in_order))
    return table, [column.title for column in COLUMNS if column.title in filled and column.title not in shown]


def markdown(comparison: Comparison, summary: pd.DataFrame) -> str:
    """The same table as Markdown, its caption above, and what went wrong below; `summary` is that of `comparison`."""
    lines = [
        "| " + " | ".join(c.title for c in COLUMNS) + " |",
        "|" + "---|" * len(COLUMNS),
        *("| " + " | ".join(for_markdown(c.text(row)) for c in COLUMNS) + " |" for _, row in summary.iterrows()),
    ]
    notes = [f"- {for_markdown(text)}" for text in (*failures(summary), *remarks(summary), *comparison.warnings)]
    above = [for_markdown(line) for line in caption(comparison).splitlines()]
    return "\n".join([*above, "", *lines, "", *notes]).rstrip() + "\n"


def _as_text(summary: pd.DataFrame) -> pd.DataFrame:
    """The same, for a CSV file: no spreadsheet takes its text for formulas."""
    return summary.assign(
        **{
            str(name): [for_csv(value) if isinstance(value, str) else value for value in column]
            for name, column in summary.items()
            if not pd.api.types.is_numeric_dtype(column)
        }
    )


def write_report(run: RunDir, comparison: Comparison, summary: pd.DataFrame) -> None:
    """Write table.csv, table.json and table.md (`summary`, a row a job) and trials.csv (a row a trial)."""
    run.report.mkdir(exist_ok=True)
    files = {
        "table.csv": _as_text(summary).to_csv(index=False).encode(),
        "table.json": summary.to_json(orient="records", indent=2, force_ascii=False).encode() + b"\n",
        "table.md": markdown(comparison, summary).encode(),
        "trials.csv": comparison.csv(),
    }
    refused: OSError | None = None
    for name, content in files.items():
        try:
            write_whole(run.report / name, content)
        except OSError as error:  # the others are wanted all the same
            refused = refused or error
    if refused:
        raise refused
