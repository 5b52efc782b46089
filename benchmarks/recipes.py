"""Compare recipes of one job by validation images of several data sets; no test image is read.

`python -m benchmarks.recipes resnet20 "train.epochs=1" "train.epochs=2 train.learning_rate=3e-3"`, and with
`--datasets mnist,fashion-mnist,digits,elpv,glyphs` on each of them. What is measured is added to
`benchmarks/results/recipes.jsonl`, and not measured again. On a GPU, `--device cuda --at-once 4`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.datasets import dataset
from benchmarks.machine import this_machine
from benchmarks.validation import measure
from lab2.launch.planning import plan_trials
from lab2.spec.catalogue import default_folder, find_jobs
from lab2.spec.job import DataConfig, JobSpec, Trial

RESULTS = Path(__file__).parent / "results" / "recipes.jsonl"

console = Console(highlight=False)


@dataclass(frozen=True, slots=True)
class Held:
    """The images of a data set that choose: about a fifth of those for training, 10,000 at most."""

    validation_images: int
    image_side: int | None = None  # pixels, at which its pictures are decoded


SETS = {
    "mnist": Held(10_000),
    "fashion-mnist": Held(10_000),
    "digits": Held(287, 8),
    "elpv": Held(394, 64),
    "glyphs": Held(2454, 32),
    "icons": Held(182, 48),  # takes no part in choosing
}


def known(file: Path) -> dict[tuple[str, str, str], dict[str, object]]:
    """What was measured before, by digest of the trial, name of its data set and device."""
    lines = file.read_text().splitlines() if file.is_file() else []
    return {(row["digest"], row["dataset"], row["device"]): row for row in map(json.loads, lines)}


def without_named_recipes(job: JobSpec) -> JobSpec:
    """`job` with its general recipe alone, so that it is measured also on the data sets it has others for."""
    return replace(job, recipes={})


def main(
    job: Annotated[str, typer.Argument(help="Of jobs/ or jobs/more/.")],
    recipes: Annotated[list[str], typer.Argument(help="Each one's settings as of `lab2 --set`, with spaces.")],
    datasets: Annotated[str, typer.Option(help=f"With commas: {', '.join(SETS)}.")] = "mnist",
    seeds: Annotated[str, typer.Option(help="With commas.")] = "1,2",
    named: Annotated[bool, typer.Option("--named", help="Begin with the recipe that the job has for the set.")] = False,
    results: Annotated[Path, typer.Option(help="Where lines are added.")] = RESULTS,
    device: Annotated[str, typer.Option(help="cpu, or cuda.")] = "cpu",
    at_once: Annotated[int, typer.Option(help="Trainings at the same time, each in a process of its own.")] = 1,
) -> None:
    """Print one line for each recipe, data set and seed."""
    console.print(str(this_machine()), markup=False)
    jobs = [entry.job for entry in find_jobs(default_folder(), [job])]
    before = known(results)
    asked = _asked(jobs, recipes, datasets.split(","), [int(seed) for seed in seeds.split(",")], named=named)
    with ProcessPoolExecutor(at_once, mp_context=get_context("spawn")) as pool:
        measured = []
        for name, settings, trial in asked:
            if (row := before.get((trial.digest, name, device))) is not None:
                _print(row)
            else:
                measured.append(pool.submit(_measured, device, name, settings, trial))
        for future in as_completed(measured):  # one that takes long keeps none of the others from being written
            if (error := future.exception()) is not None:
                console.print(f"failed: {type(error).__name__}: {error}", style="red", markup=False)
                continue
            row = future.result()
            with results.open("a") as file:
                file.write(json.dumps(row) + "\n")
            _print(row)
    if any(future.exception() for future in measured):
        raise typer.Exit(1)


def _asked(
    jobs: list[JobSpec], recipes: list[str], datasets: list[str], seeds: list[int], *, named: bool
) -> Iterator[tuple[str, str, Trial]]:
    """Each one's data set, settings and trial."""
    for settings, name in product(recipes, datasets):
        held = SETS[name]
        data = DataConfig(dataset=dataset(name), validation_images=held.validation_images, image_side=held.image_side)
        of_set = [one.for_dataset(name) if named else without_named_recipes(one) for one in jobs]
        for trial in plan_trials(of_set, seeds, data, settings.split(), smoke=False):
            yield name, settings, trial


def _measured(device: str, name: str, settings: str, trial: Trial) -> dict[str, object]:
    share, seconds, images = measure(trial, device)
    return {
        "dataset": name, "job": trial.job.name, "settings": settings, "seed": trial.seed, "validation": share,
        "seconds": seconds, "images": images, "digest": trial.digest, "device": device,
    }  # fmt: skip


def _print(row: dict[str, object]) -> None:
    console.print(
        f"{row['dataset']}, {row['job']} {row['settings']}, seed {row['seed']}: {row['validation']:.2%} in "
        f"{row['seconds']:.0f} s, {row['images']} images",
        markup=False,
    )


if __name__ == "__main__":
    typer.run(main)
