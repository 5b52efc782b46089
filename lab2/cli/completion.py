"""Shell completion: the names that exist now, or none if they cannot be read."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import typer

from lab2.cache import IMAGENET
from lab2.errors import Lab2Error
from lab2.results.run_dir import known_runs, open_run
from lab2.spec.catalogue import default_folder, is_folder, named_folder, names_of_jobs
from lab2.spec.profile import profiles


def job(ctx: typer.Context, incomplete: str) -> list[str]:
    """One job, of the folder that `--jobs` names or the default one."""
    with suppress(Lab2Error, OSError):
        folders = [word for word in ctx.params.get("jobs") or [] if is_folder(word)]
        folder = named_folder(folders[0]) if folders else default_folder()
        return _beginning(incomplete, names_of_jobs(folder))
    return []


def jobs(ctx: typer.Context, incomplete: str) -> list[str]:
    """The last of several jobs with commas between them."""
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in job(ctx, last) if name not in before.split(",")]


def run(ctx: typer.Context, incomplete: str) -> list[str]:
    """A run, the newest first."""
    with suppress(OSError):
        return _beginning(incomplete, ["latest", *sorted(known_runs(_runs(ctx)), reverse=True)])
    return []


def trial(ctx: typer.Context, incomplete: str) -> list[str]:
    """A trial of the run that is named, or of the latest."""
    with suppress(Lab2Error, OSError):
        plan = open_run(_runs(ctx), ctx.params.get("run_id") or "latest").read_plan()
        return _beginning(incomplete, plan.names)
    return []


def profile(incomplete: str) -> list[str]:
    """A cluster's profile."""
    with suppress(OSError):
        return _beginning(incomplete, sorted(profiles()))
    return []


def dataset(incomplete: str) -> list[str]:
    """A data set that lab2 knows by name."""
    from lab2.data.places import NAMED  # loads Arrow and all readers

    return _beginning(incomplete, NAMED)


def claim(incomplete: str) -> list[str]:
    """A claim that `lab2 study` measures."""
    from lab2.study.claim import claims  # loads scipy

    return _beginning(incomplete, ["all", *claims()])


def figure(incomplete: str) -> list[str]:
    """A kind of figure that `lab2 plot` draws."""
    from lab2.report.figures.kinds import KINDS  # loads pandas

    return _beginning(incomplete, KINDS)


def prepared(incomplete: str) -> list[str]:
    """What `lab2 prepare` brings."""
    from lab2.data.places import NAMED  # loads Arrow and all readers

    return _beginning(incomplete, [*(name for name, one in NAMED.items() if not one.embedded), *IMAGENET])


def device(incomplete: str) -> list[str]:
    """A device that torch may know."""
    return _beginning(incomplete, ["auto", "cpu", "cuda", "mps"])


def _runs(ctx: typer.Context) -> Path:
    return Path(ctx.params.get("runs") or os.environ.get("LAB2_RUNS") or "runs")


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
