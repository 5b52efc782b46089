"""Figures of lab2 on one GPU, each section in the order of its worth, until the time is up: 8 minutes at most.

python -m benchmarks.gpu [--limit SECONDS] [--jobs cnn,vit] [--device cpu --short]

Where there is no GPU, `--device cpu --short` tries the check itself: its figures then mean nothing.
"""

from __future__ import annotations

import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.gpu import trials
from benchmarks.gpu.ceilings import measure_ceilings
from benchmarks.gpu.steps import describe_step
from benchmarks.gpu.waiting import WAITING

FIVE = "cnn,vit,alexnet,vgg16,faster_rcnn"
INTERRUPTED = ("vit", "alexnet", "faster_rcnn")  # Muon, dropout within a graph, and draws of its own
LONGEST = 60.0  # seconds of a section: with those of `--limit` 8 minutes
SHORT = ("train.epochs=0.02", "data.validation_images=500", "data.test_images=500")


class TimeIsUpError(Exception):
    """A section took longer than `LONGEST`."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise `TimeIsUpError` in what runs inside after so many seconds."""

    def end(*_: object) -> None:
        raise TimeIsUpError(f"ended after {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, end)
    left, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, left)


def main(
    out: Annotated[Path, typer.Option(help="A new folder for runs and the table.")] = Path("gpu-check"),
    limit: Annotated[float, typer.Option(help="Seconds, after which no section begins.")] = 420.0,
    jobs: Annotated[str, typer.Option(help="Of the folder jobs/, with commas.")] = FIVE,
    only: Annotated[str, typer.Option(help="Sections, with commas: ceilings, rows, steps, graphs, seeds, …")] = "",
    device: str = "cuda",
    short: Annotated[bool, typer.Option("--short", help="Train for a fraction of each recipe.")] = False,
) -> None:
    """Ceilings, rows, bits, an interruption, seeds, and where a step's time goes."""
    started = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    names = jobs.split(",")
    of = trials.Trials(out, device, SHORT if short else ())

    def section(title: str, work: Callable[[], object]) -> None:
        seconds = time.monotonic() - started
        if seconds > limit:
            print(f"[{seconds:.0f} s] left out, the time is up: {title}", flush=True)
            return
        print(f"[{seconds:.0f} s] {title}", flush=True)
        try:
            with at_most(LONGEST):
                said = work()
        except Exception:  # the next sections are worth having
            said = traceback.format_exc()
        if said:
            print(said, flush=True)

    sections: dict[str, list[tuple[str, Callable[[], object]]]] = {
        "ceilings": [("the card and its ceilings", partial(measure_ceilings, out, device))],
        "rows": [*((f"{job}: a row", partial(of.row, job)) for job in names), ("the table", partial(of.table, names))],
        "steps": [(f"{job}: a step", partial(describe_step, job, device)) for job in names],
        "graphs": [(f"{job}: in a graph and without", partial(of.with_and_without_graph, job)) for job in names],
        "waiting": [("a network that waits, with dropout", partial(of.with_and_without_graph, WAITING))],
        "interrupted": [(f"{job}: interrupted", partial(of.interrupted, job)) for job in INTERRUPTED if job in names],
        "seeds": [("cnn: seeds", partial(of.seeds, "cnn", 2 if short else 10))],
        "repeated": [(f"{job}: once more", partial(of.again, job)) for job in names],
    }
    for name in only.split(",") if only else sections:
        for title, work in sections[name]:
            section(title, work)


if __name__ == "__main__":
    typer.run(main)
