"""Options that several commands have, and how their values are read."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from lab2.cli import completion
from lab2.cli.screen import warn
from lab2.errors import ConfigError
from lab2.results.run_dir import RunDir
from lab2.spec.catalogue import Entry, baselines, default_folder, find_jobs, is_folder, named_folder, passed_over
from lab2.spec.job import JobSpec
from lab2.spec.plan import check_margin

Jobs = Annotated[
    list[str] | None,
    typer.Option(
        "--jobs", metavar="JOBS", help="Names (cnn,vit), or a folder of job files.", autocompletion=completion.jobs
    ),
]
JobsFolder = Annotated[
    list[str] | None,
    typer.Option("--jobs", metavar="JOBS", help="A folder of job files.", autocompletion=completion.jobs),
]
Seeds = Annotated[str, typer.Option("--seeds", metavar="SEEDS", help="How many (3), or which (1,5,7).")]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="NAME=VALUE", help="train.epochs=3, or vit:model.dim=24 for one job; may be repeated."
    ),
]
Dataset = Annotated[
    str,
    typer.Option(
        "--dataset",
        metavar="DATA",
        help="A name (mnist, cifar10, torchvision:Food101), a folder, a CSV or TSV table, or Parquet.",
        autocompletion=completion.dataset,
    ),
]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="DEVICE",
        help="auto (CUDA, then MPS, then CPU), cpu, mps, cuda, cuda:1.",
        autocompletion=completion.device,
    ),
]
Quick = Annotated[
    bool, typer.Option("--quick", help="A smoke run on a fraction of the data; its table compares nothing.")
]
NoBaselines = Annotated[
    bool,
    typer.Option(
        "--no-baselines", help="Without rows for the commonest class, logistic regression and the nearest neighbour."
    ),
]
Margin = Annotated[
    float | None,
    typer.Option(
        "--margin",
        metavar="POINTS",
        callback=check_margin,
        help="Points of accuracy (0.2): a difference that is shown to be smaller counts as equal. "
        "Default: 100 / sqrt(test images), at least 0.1.",
    ),
]
Runs = Annotated[Path, typer.Option("--runs", metavar="FOLDER", envvar="LAB2_RUNS", help="The folder of all runs.")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="Its id, or latest.", autocompletion=completion.run)]
BudgetOption = Annotated[
    str | None,
    typer.Option(
        "--budget",
        metavar="BUDGET",
        help="Length of each training, the same for every architecture: 5m, 20000-images, 3e15-flops.",
    ),
]
AUTO = 0  # what `--parallel auto` is as a number: measure it, by lab2/launch/at_once.py


def _at_once(text: str) -> int:
    """Raises `ConfigError`."""
    if text == "auto":
        return AUTO
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise ConfigError(f"--parallel {text}: wanted a number of trials from 1 on, or auto")
    return int(text)


Parallel = Annotated[
    int | None,
    typer.Option(
        "--parallel",
        metavar="N",
        parser=_at_once,
        help="Trials at once; auto: as many as together train fastest, measured for each job.",
    ),
]

DEFAULT_RUNS = Path("runs")
MOST_SEEDS = 100_000  # as many trials as the collector is measured with; a date is no number of seeds


def chosen_jobs(jobs: list[str] | None) -> list[JobSpec]:
    """The jobs that `--jobs` names, of its folder or the default one."""
    return [entry.job for entry in chosen_entries(jobs)]


def chosen_entries(jobs: list[str] | None) -> list[Entry]:
    """The same, each with the question that its file asks."""
    return find_jobs(*folder_and_names(jobs))


def with_baselines(jobs: list[JobSpec]) -> list[JobSpec]:
    """`jobs`, then the baselines that are not among them: every table shows what learning is worth."""
    taken = {job.name for job in jobs}
    return [*jobs, *(job for job in baselines() if job.name not in taken)]


def folder_and_names(jobs: list[str] | None) -> tuple[Path, list[str]]:
    """The folder that `--jobs` names, or the default one, and names of jobs. Raises `ConfigError` for two folders."""
    words = [word for text in jobs or [] for word in _split(text)]
    if jobs and not words:
        raise ConfigError("--jobs names nothing; give names (cnn,vit) or a folder, or leave it out for all")
    folders = [word for word in words if is_folder(word)]
    if len(folders) > 1:
        raise ConfigError(f"--jobs names {len(folders)} folders; give one")
    folder = named_folder(folders[0]) if folders else default_folder()
    if not folders and (why := passed_over()):
        warn(f"warning: {why}")
    return folder, [word for word in words if word not in folders]


def _split(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def named(run: RunDir) -> str:
    """How to name `run` to another command typed here."""
    elsewhere = run.path.parent != Path(os.environ.get("LAB2_RUNS", DEFAULT_RUNS)).absolute()
    return f"{run.path.name} --runs {shlex.quote(str(run.path.parent))}" if elsewhere else run.path.name


def chosen_seeds(text: str) -> list[int]:
    """The seeds that `--seeds` means: so many from 1, or those in the list."""
    words = _split(text)
    if not words or not all(word.isascii() and word.isdigit() for word in words) or words == ["0"]:
        raise ConfigError(f"--seeds {text}: wanted how many (3) or which (1,5,7)")
    if "," in text:
        return [int(word) for word in words]
    many = int(words[0])
    if many > MOST_SEEDS:
        raise ConfigError(f"--seeds {text}: so many seeds, {MOST_SEEDS} at most; for this one alone: --seeds {text},")
    return list(range(1, many + 1))


def at_once(parallel: int | None) -> int:
    """The number that `--parallel` means here: one where it is not given."""
    return 1 if parallel is None else parallel


def refuse_auto(parallel: int | None) -> None:
    """Raise `ConfigError` where a measurement on this machine is asked for, and the trials run on Slurm."""
    if parallel == AUTO:
        raise ConfigError("--parallel auto: it measures this machine, and Slurm shares out its own; give a number")
