"""`lab2 import`: rows of a table that lab2 did not train."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lab2.cli import completion
from lab2.cli.command import command
from lab2.cli.inspecting import progress_bar
from lab2.cli.launching import typed
from lab2.cli.options import DEFAULT_RUNS, Runs
from lab2.cli.screen import say, show_table, warn
from lab2.errors import ConfigError
from lab2.launch.planning import data_config
from lab2.results.run_dir import open_run
from lab2.spec.job import DataConfig

app = typer.Typer()


@command(app, name="import", example="lab2 import predictions.csv --beside latest")
def import_predictions(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="CSV, TSV or Parquet: image, label, architecture, seed, and prediction or p_CLASS for each class.",
        ),
    ],
    dataset: Annotated[
        str | None,
        typer.Option(
            "--dataset",
            metavar="DATA",
            help="The data set of the images; without it they are known by their names in FILE.",
            autocompletion=completion.dataset,
        ),
    ] = None,
    other: Annotated[
        str | None,
        typer.Option(
            "--beside",
            metavar="OTHER",
            help="A run (its id, or latest) whose finished rows are copied beside; FILE is about its test images.",
            autocompletion=completion.run,
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="How the data set is read (data.test_share=0.3), with --dataset."
        ),
    ] = None,
    runs: Runs = DEFAULT_RUNS,
) -> None:
    """Make a run of predictions from elsewhere, and show its table.

    With --beside the new run also has copies of the other's finished rows, and all are compared image by image.
    """
    from lab2.launch.importing import import_answers

    beside = open_run(runs, other) if other else None
    data = _data(dataset, settings or [])
    with progress_bar() as progress:
        found = import_answers(file, runs, data, beside, progress, typed())
    names = dict.fromkeys(trial.job.name for trial in found.trials)
    several = "s" * (len(found.trials) > 1)
    say(f"imported {', '.join(names)}: {len(found.trials)} trial{several}, {found.run.path}")
    for text in found.notes:
        warn(f"note: {text}")
    show_table(found.run)


def _data(dataset: str | None, settings: list[str]) -> DataConfig | None:
    """The data that the options name. Raises `ConfigError` for settings without a data set, or a limit of images."""
    if dataset is None:
        if settings:
            raise ConfigError(f"--set {settings[0]}: says how a data set is read; name it with --dataset")
        return None
    data = data_config(dataset, settings)
    if data.test_images is not None:
        raise ConfigError("--set data.test_images: predictions are of all test images; leave it out")
    return data
