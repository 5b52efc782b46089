"""What `lab2/compare` says of real predictions where the answer is known.

`lab2 run-local --jobs cnn,vit --seeds 20 --no-baselines`, then `python -m benchmarks.real_seeds runs/latest`.

- *A/A*: the seeds of one job are split at random into two arms. The recipes are equal, so "different" is wrong.
- *Halves*: half of the seeds on half of the test images predict the difference of two jobs that the other seeds have on
  the other images. The two share neither a seed nor an image, so their variances add up.

All splits are of the same seeds and images: a share of 500 of them is less certain than one of 500 new runs.
"""

from __future__ import annotations

import math
from itertools import combinations
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.machine import this_machine
from lab2.compare.answer import Answer, around, on_new_images
from lab2.compare.correctness import Correctness, samples
from lab2.compare.variance import estimate
from lab2.errors import RunError
from lab2.results.collect import collect
from lab2.results.correctness import Collected, read_correctness
from lab2.results.run_dir import open_run

ALPHA = 0.05
FEWEST = 4  # seeds: two in each arm

console = Console(highlight=False)


def judge(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> Answer:
    """The difference of two recipes on new images, from (S, N) correctness of each."""
    first, second = samples(Correctness(("a", "b"), (a, b)))
    split = estimate([first, second]).between(0, 1)
    return on_new_images(("a", "b"), first, second, split, paired=False, grouped=False, alpha=ALPHA)


def differs_from_itself(right: NDArray[np.bool_], generator: np.random.Generator) -> bool:
    """Whether one split of the seeds of (S, N) `right` into two arms is called different."""
    order = generator.permutation(len(right))
    half = len(right) // 2
    return judge(right[order[:half]], right[order[half:]]).p < ALPHA


def predicts_the_other_half(a: NDArray[np.bool_], b: NDArray[np.bool_], generator: np.random.Generator) -> bool:
    """Whether a difference on half of the seeds and images foretells that of the others, within 95 % intervals."""
    images = generator.permutation(a.shape[1])
    places = np.array_split(images, 2)
    seeds = [np.array_split(generator.permutation(len(one)), 2) for one in (a, b)]
    one, other = (judge(a[seeds[0][half]][:, places[half]], b[seeds[1][half]][:, places[half]]) for half in range(2))
    variance = one.variance + other.variance
    df = variance**2 / (one.variance**2 / one.df + other.variance**2 / other.df)
    low, high = around(one.difference - other.difference, variance, df, ALPHA)
    return low <= 0 <= high


def main(
    run: Annotated[Path, typer.Argument(help="A run of two jobs or more, each with many seeds.")],
    splits: Annotated[int, typer.Option(min=1)] = 500,
) -> None:
    """Print how often equal recipes are called different, and how often one half predicts the other."""
    console.print(str(this_machine()), markup=False)
    opened = open_run(run.parent, run.name)
    read = read_correctness(Collected(run=opened, comparison=collect(opened)))
    for note in read.notes:
        console.print(note, markup=False)
    right = {arm: answers for arm, answers in read.right.items() if len(answers) >= FEWEST}
    if not right:
        raise RunError(f"{run}: no job has {FEWEST} finished seeds or more")
    for arm, answers in right.items():
        generator = np.random.default_rng(0)
        wrong = sum(differs_from_itself(answers, generator) for _ in range(splits)) / splits
        console.print(f"A/A, {arm}, {len(answers)} seeds, {splits} splits: different in {wrong:.1%}")
    for first, second in combinations(right, 2):
        generator = np.random.default_rng(0)
        held = sum(predicts_the_other_half(right[first], right[second], generator) for _ in range(splits)) / splits
        gap = math.fsum((right[first].mean(), -right[second].mean()))
        console.print(f"halves, {first} - {second} ({100 * gap:.2f} points), {splits} splits: predicted in {held:.1%}")


if __name__ == "__main__":
    typer.run(main)
