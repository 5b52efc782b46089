"""The command that exports: a run's trials to a tracker, a trial's network to a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, get_args

import typer

from lab2.cli import completion
from lab2.cli.command import command
from lab2.cli.options import DEFAULT_RUNS, Runs
from lab2.cli.screen import gather, say, show_warnings, warn
from lab2.errors import ConfigError
from lab2.export.outcome import Outcome
from lab2.export.packages import Format
from lab2.export.trackers import TRACKERS, Tracker, export_run
from lab2.results.run_dir import RunDir, open_run
from lab2.spec.plan import some_of

app = typer.Typer()

MODEL_FORMATS: tuple[Format, ...] = get_args(Format)
FIRST_FLIPS = 5  # that are named


@command(app, example="lab2 export latest --to mlflow")
def export(
    what: Annotated[
        str,
        typer.Argument(
            metavar="WHAT",
            help="The run (for a tracker), or the trial (for a model's file).",
            autocompletion=completion.run,
        ),
    ],
    run_id: Annotated[
        str, typer.Argument(metavar="RUN", help="The run of the trial.", autocompletion=completion.run)
    ] = "latest",
    *,
    to: Annotated[
        str,
        typer.Option("--to", metavar="WHERE", help="mlflow, tensorboard, wandb (a run); onnx, torch-export (a trial)."),
    ],
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            metavar="PLACE",
            help="A folder, a tracking server's address (MLflow), or the model's file. Default: export/ in the run.",
        ),
    ] = None,
    runs: Runs = DEFAULT_RUNS,
) -> None:
    """Export a run's trials to a tracker, or a trial's trained network to a file that is checked."""
    for tracker in TRACKERS:
        if to == tracker:
            _export_run(open_run(runs, what), tracker, out)
            return
    for form in MODEL_FORMATS:
        if to == form:
            _export_trial(open_run(runs, run_id), what, form, out)
            return
    raise ConfigError(f"--to {to}: wanted {', '.join((*TRACKERS, *MODEL_FORMATS))}")


def _export_run(run: RunDir, to: Tracker, out: str | None) -> None:
    comparison, unreported = gather(run)
    found = export_run(run, comparison, to, out)
    show_warnings(comparison, unreported)
    if found.without_shard:
        warn(f"not exported, because they have left no result: {some_of(found.without_shard)}")
    counts = [f"{found.outcomes[one]} {one.value}" for one in Outcome if found.outcomes[one]]
    say(f"{found.place}: {', '.join(counts) or 'no trial to export'}")


def _export_trial(run: RunDir, name: str, to: Format, out: str | None) -> None:
    """Exits with 1 where the exported network does not answer as the trained one does."""
    from lab2.export.model_file import export_trial

    trial = run.read_plan().trial(name)
    found = export_trial(run, trial, to, Path(out) if out else None)
    if found.flipped:
        first = ", ".join(map(str, found.flipped[:FIRST_FLIPS]))
        more = " ..." if len(found.flipped) > FIRST_FLIPS else ""
        warn(
            f"not written: for {len(found.flipped):,} of {found.images:,} test images the exported network predicts "
            f"another class (the first, from 0: {first}{more}); largest difference of two logits "
            f"{found.largest_difference:.2g}",
            "red",
        )
        raise typer.Exit(1)
    say(
        f"{found.path}: {found.bytes:,} bytes; on all {found.images:,} test images the same predictions as the "
        f"trained network in fp32, largest difference of two logits {found.largest_difference:.2g}"
    )
    tested = f"tested in {found.precision} on {found.device}"
    if found.not_kept:
        warn(
            f"warning: the trained network's predictions differ from those of the trial, which was {tested}, for "
            f"{found.not_kept:,} of {found.images:,} test images: its weights are of another attempt, or this machine "
            "rounds otherwise"
        )
    if found.not_kept_in_fp32 and found.precision not in (None, "fp32"):
        warn(
            f"note: the trial was {tested}; in fp32, as the file computes, the predictions for "
            f"{found.not_kept_in_fp32:,} of {found.images:,} test images differ"
        )
