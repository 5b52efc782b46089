"""`lab2 jobs NAME`: a job's question, its network, every field that `--set` can change, and its search space."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from lab2.cli.screen import paragraph, say, show
from lab2.foreign_text import one_line
from lab2.spec.architectures import architectures
from lab2.spec.catalogue import Entry
from lab2.spec.effort import NOT_RECORDED, Effort
from lab2.spec.fields import as_set_takes_it, fields_of, settable
from lab2.spec.job import DataConfig, JobSpec
from lab2.spec.space import space_of

LONGEST_NAME = len("resources.checkpoint_seconds")
LONGEST_VALUE = 20  # characters; what is longer goes on in the next line


def show_job(entry: Entry) -> None:
    """Print the card of one job."""
    job = entry.job
    say(f"{job.name}  ({entry.path})", "bold")
    paragraph(entry.question)
    if entry.details:
        say(entry.details, "dim")
    say("")
    for text in _network(job):
        paragraph(text)
    say("")
    for section in ("model", "resources", "data") if job.model.fitted else ("model", "train", "resources", "data"):
        config = getattr(job, section, DataConfig())  # the data are chosen by the command, not by the job
        if settable(config):
            show(_table(section, config))
            say("")
    if not job.model.fitted:
        show(_space(job))
        say("")
        paragraph(f"effort: {_effort(job.effort)}\n")
        for text in _recipes(job):
            paragraph(f"{text}\n")
    name = "data.train_images=1000" if job.model.fitted else "train.epochs=3"
    say(f"to change one: --set {name}, or --set {job.name}:{name} for this job alone\n", "dim")


def _network(job: JobSpec) -> Iterator[str]:
    one = architectures()[job.model.architecture]
    yield (one.config.__doc__ or "").partition("\n")[0]
    yield f"Source: {one.paper}."
    if one.differs:
        yield f"Differs: {one.differs}."


def _space(job: JobSpec) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("search space", no_wrap=True, width=LONGEST_NAME)
    table.add_column(f"({'its own' if job.space else 'the default, for it states none'})", overflow="fold")
    for name, dimension in space_of(job).items():
        table.add_row(name, Text(one_line(str(dimension))))
    return table


def _effort(effort: Effort | None) -> str:
    """What it took to find a recipe."""
    if effort is None:
        return NOT_RECORDED
    return one_line("; ".join((effort.text, effort.data, effort.rule)))


def _recipes(job: JobSpec) -> Iterator[str]:
    """Each recipe for one data set, by what it has otherwise than the general one."""
    for name, recipe in sorted(job.recipes.items()):
        changed = {
            field.name: as_set_takes_it(getattr(recipe.train, field.name))
            for field in fields_of(type(recipe.train))
            if getattr(recipe.train, field.name) != getattr(job.train, field.name)
        }
        otherwise = " ".join(f"train.{field}={value}" for field, value in changed.items())
        yield one_line(f"on {name}: {otherwise}; effort: {_effort(recipe.effort)}")


def _table(section: str, config: object) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(section, no_wrap=True, width=LONGEST_NAME)
    table.add_column("value", max_width=LONGEST_VALUE, overflow="fold")
    table.add_column("default", style="dim")
    table.add_column("what it is", overflow="fold")
    for field in fields_of(type(config)):
        value = as_set_takes_it(getattr(config, field.name))
        table.add_row(f"{section}.{field.name}", Text(one_line(value)), Text(field.default), Text(field.about))
    return table
