"""`make docs`: writes the pages that say what the code says. tests/test_docs.py compares them with it."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints
from unittest import mock

import typer
import typer.main

from lab2.cli import app
from lab2.cli.command import whole_command
from lab2.cli.listing import COMMANDS
from lab2.measure.metrics import METRICS
from lab2.results.shard import SCHEMA, Shard
from lab2.spec.architectures import architectures
from lab2.spec.fields import comments_of, fields_of, in_words
from lab2.spec.job import DataConfig, Resources, TrainConfig

FOLDER = Path(__file__).parent
WIDTH = 100  # characters, of help
NOTE = "<!-- `make docs` writes this page from the code: change the code, then call it again. -->"

FIELDS = """
These are the fields of a job file and the names that `--set` takes: `--set train.epochs=3` for all jobs of a run,
`--set vit:model.dim=24` for one. What a job file does not give has its default. `lab2 jobs cnn` shows the values
that a job has.
"""
SHARD = f"""
A trial writes one file, `runs/RUN/shards/TRIAL.json`: `row`, an object with the fields below, and `sha256`, the
SHA-256 of the row as compact JSON with sorted names. A number that was not measured is `null`. A reader leaves
out fields that it does not know, and takes missing ones for `null`.

This is schema {SCHEMA}. The number changes only where a field comes to mean something else. `report/trials.csv` has the
same fields, one row a trial.
"""
MEASURED = """
Those that come from predictions are computed for runs of older versions, too. [numbers.md](numbers.md) says how
each is measured, and what is not in it.
"""


def pages() -> dict[str, str]:
    """Each generated page by the name of its file."""
    written = {"help.md": _help(), "fields.md": _fields(), "schema.md": _schema()}
    return {name: "\n".join((NOTE, "", *lines, "")) for name, lines in written.items()}


def _help() -> Iterator[str]:
    yield from ("# The commands", "")
    yield "`lab2 COMMAND --help` shows the same in a terminal's own width."
    group = typer.main.get_group(app)
    context = typer.Context(group, info_name="lab2", **group.context_settings)
    yield from _screen("lab2", group, context)
    for name, one in COMMANDS.items():
        if not one.hidden:
            command = whole_command(name)
            yield from _screen(f"lab2 {name}", command, typer.Context(command, info_name=name, parent=context))


def _screen(title: str, command: Any, context: typer.Context) -> Iterator[str]:
    """What a command's help shows on a screen without colours."""
    shown = io.StringIO()
    plain: dict[str, Any] = {"MAX_WIDTH": WIDTH, "FORCE_TERMINAL": False, "COLOR_SYSTEM": None}
    with mock.patch.multiple("typer.rich_utils", **plain), redirect_stdout(shown):
        command.get_help(context)
    lines = (line.rstrip().removeprefix(" ") for line in shown.getvalue().strip().splitlines())
    yield from ("", f"## {title}", "", "```text", *lines, "```")


def _fields() -> Iterator[str]:
    yield from ("# What can be set", "")
    yield FIELDS.strip()
    for title, section, config in (
        ("The recipe", "train", TrainConfig),
        ("What a trial needs of a machine", "resources", Resources),
        ("The data", "data", DataConfig),
    ):
        yield from ("", f"## {title}: `{section}`", "", f"`{config.__name__}`: {_first_line(config)}", "")
        yield from _settings(section, config)
    yield from ("", "## The network: `model`", "")
    yield "A job's `model` is one of these; its fields are those of its architecture."
    for name, one in architectures().items():
        yield from ("", f"### {name}", "", f"`{one.config.__name__}`: {_first_line(one.config)}")
        yield from (f"Source: {one.paper}.", "")
        if fields_of(one.config):
            yield from _settings("model", one.config)
        else:
            yield "It has none."


def _settings(section: str, config: type) -> Iterator[str]:
    rows = [(f"`{section}.{f.name}`", f.kind, f"`{f.default}`", f.about) for f in fields_of(config)]
    yield from _table(("name", "type", "default", "what it is"), rows)


def _schema() -> Iterator[str]:
    yield from ("# The shard", "")
    yield SHARD.strip()
    hints, comments = get_type_hints(Shard), comments_of(Shard)
    names = {metric.name for metric in METRICS}
    rows = [
        (f"`{f.name}`", _json(hints[f.name]), comments.get(f.name, "")) for f in fields(Shard) if f.name not in names
    ]
    yield from ("", "## What it is of, and where it came from", "")
    yield from _table(("field", "type", "what it is"), rows)
    yield from ("", "## What was measured", "")
    yield MEASURED.strip()
    yield ""
    measured = [
        (
            f"`{metric.name}`",
            _json(hints[metric.name]),
            metric.unit or "–",
            metric.about + f" ({metric.applies_to})" * (metric.applies_to != "all"),
            "predictions" if metric.of else "the run",
        )
        for metric in METRICS
    ]
    yield from _table(("field", "type", "unit", "what it is", "comes from"), measured)


def _json(hint: Any) -> str:
    return in_words(hint).replace("None", "null").replace("True", "true").replace("False", "false")


def _first_line(config: type) -> str:
    return (config.__doc__ or "").partition("\n")[0]


def _table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    titles = list(titles)
    for row in (titles, ["---"] * len(titles), *rows):
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"


if __name__ == "__main__":
    for name, text in pages().items():
        (FOLDER / name).write_text(text)
