"""`lab2 tune`: a search of equal effort by a rule that is fixed beforehand."""

from __future__ import annotations

from typing import Annotated

import typer

from lab2.cli.command import command
from lab2.cli.launching import Cluster
from lab2.cli.options import (
    DEFAULT_RUNS,
    BudgetOption,
    Dataset,
    Device,
    Jobs,
    Parallel,
    Runs,
    Seeds,
    Settings,
    chosen_entries,
    chosen_seeds,
)
from lab2.spec.budget import parse_budget
from lab2.spec.profile import read_profile

app = typer.Typer()


@command(app, example="lab2 tune --jobs cnn,vit --trials 16 --budget 60s --seeds 3")
def tune(
    jobs: Jobs = None,
    trials: Annotated[
        int, typer.Option("--trials", metavar="N", help="Settings of each job; the first is its own recipe.")
    ] = 16,
    budget: BudgetOption = None,
    seeds: Seeds = "3",
    study_seed: Annotated[
        int, typer.Option("--study-seed", metavar="N", min=0, help="Seed of the settings and of the search's trials.")
    ] = 0,
    mode: Annotated[
        str, typer.Option("--mode", metavar="MODE", help="random, or halving: the better settings get more.")
    ] = "random",
    folds: Annotated[
        int | None,
        typer.Option(
            "--folds",
            metavar="N",
            min=1,
            help="Cross-validation folds for each setting. Default: 5 below 2,000 training images without validation "
            "images of their own, else 1 fixed split.",
        ),
    ] = None,
    dataset: Dataset = "mnist",
    settings: Settings = None,
    profile: Annotated[str | None, Cluster] = None,
    parallel: Parallel = None,
    device: Device = "auto",
    runs: Runs = DEFAULT_RUNS,
) -> None:
    """Search for a recipe for each job, with equal effort, then train and test it.

    Validation images choose; only the chosen recipes read the test images.
    """
    from lab2.cli.searching import plan_study, start_study  # loads scipy

    if budget is not None:
        parse_budget(budget)
    cluster = read_profile(profile) if profile else None
    entries = chosen_entries(jobs)
    study = plan_study(
        [entry.job for entry in entries],
        dataset,
        settings or [],
        cluster,
        folds=folds,
        questions={entry.job.name: entry.question for entry in entries},
        trials=trials,
        seed=study_seed,
        mode=mode,
        budget=budget or "",
        final_seeds=tuple(chosen_seeds(seeds)),
    )
    start_study(runs, study, cluster, parallel, device)
