"""Compare recipes of one job by validation images; the test images are not read.

`python -m benchmarks.recipes resnet20 "train.epochs=1" "train.epochs=2 train.learning_rate=3e-3"`
"""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.machine import this_machine
from lab2.launch.planning import plan_trials
from lab2.measure.scores import accuracy
from lab2.spec.catalogue import choose, default_folder, read_catalogue
from lab2.spec.job import DataConfig, Trial
from lab2.trial import set_up

console = Console(highlight=False)


def validation_accuracy(trial: Trial) -> float:
    """Train `trial` and score it on its validation images, in [0, 1]."""
    ready = set_up(trial, "cpu", None)
    for _ in ready.trainer.fit():
        pass
    return accuracy(ready.trainer.predict(ready.data.validation))


def main(
    job: Annotated[str, typer.Argument(help="Of jobs/ or jobs/more/.")],
    recipes: Annotated[list[str], typer.Argument(help="Each one's settings as of `lab2 --set`, with spaces.")],
    seeds: Annotated[str, typer.Option(help="With commas.")] = "1,2",
    validation_images: Annotated[int, typer.Option(min=1)] = 10_000,
) -> None:
    """Print one line for each recipe and seed."""
    console.print(str(this_machine()), markup=False)
    folder = default_folder()
    jobs = choose(read_catalogue(folder) | read_catalogue(folder / "more"), [job])
    data = DataConfig(validation_images=validation_images)
    for settings in recipes:
        for trial in plan_trials(jobs, [int(seed) for seed in seeds.split(",")], data, settings.split(), smoke=False):
            begun = time.perf_counter()
            share = validation_accuracy(trial)
            console.print(f"{settings}, seed {trial.seed}: {share:.2%} in {time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    typer.run(main)
