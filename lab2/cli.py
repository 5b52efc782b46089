"""The front desk: the only file that prints to a person. Every command is thin; the rooms do the work."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from lab2.errors import ConfigError, Lab2Error, RunError
from lab2.launch.plan import plan_trials, start_run
from lab2.launch.status import status
from lab2.report.live import PlainLines, live_table
from lab2.results.run_dir import RunDir, open_run
from lab2.spec.catalogue import choose, default_folder, read_catalogue
from lab2.spec.job import DataConfig, JobSpec, Trial
from lab2.spec.plan import Plan

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

Jobs = Annotated[list[str] | None, typer.Option("--jobs", help="Names, or a folder of job files of your own.")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="train.epochs=3, or vit:model.dim=24 for one job.")]
Dataset = Annotated[str, typer.Option(help="mnist, fashion-mnist, kmnist, emnist-letters, cifar10, or a folder.")]
Device = Annotated[str, typer.Option(help="auto (CUDA, then MPS, then CPU), cpu, mps, cuda, cuda:1.")]
Runs = Annotated[Path, typer.Option(envvar="LAB2_RUNS", help="Where the runs lie.")]
RunId = Annotated[str, typer.Argument(help="A run id, or latest.")]
Parallel = Annotated[int, typer.Option(min=1, help="Trials at once; their cores are shared out.")]

HERE = Path("runs")


@app.command(epilog="Example: lab2 run-local --jobs cnn,vit --seeds 3 --set train.epochs=5")
def run_local(
    jobs: Jobs = None,
    seeds: Annotated[str, typer.Option(help="How many (3), or which (1,5,7).")] = "1",
    dataset: Dataset = "mnist",
    quick: Annotated[bool, typer.Option(help="A smoke run on a fraction of the data; compares nothing.")] = False,
    settings: Settings = None,
    parallel: Parallel = 1,
    device: Device = "auto",
    runs: Runs = HERE,
) -> None:
    """Train the architectures on this machine, one process a trial, and show the table."""
    trials = plan_trials(_jobs(jobs), _seeds(seeds), DataConfig(dataset=dataset), settings or [], smoke=quick)
    gpus = _check(trials, device)
    run = start_run(runs, trials, smoke=quick, device=device)
    _launch(run, run.read_plan(), trials, parallel, gpus)


@app.command(epilog="Example: lab2 resume latest")
def resume(run_id: RunId = "latest", parallel: Parallel = 1, runs: Runs = HERE) -> None:
    """Run what is missing or failed in a run, and only that."""
    run = open_run(runs, run_id)
    plan = run.read_plan()
    states = {line.trial: line for line in status(run, plan)}
    trials = [t for t in plan.trials if states[t.name].state != "running" and not states[t.name].finished]
    still = [name for name, line in states.items() if line.state == "running"]
    if still:
        err.print(f"left alone, still running: {', '.join(still)}")
    if not trials:
        out.print(f"nothing to resume: {sum(s.finished for s in states.values())} of {len(states)} trials are finished")
        _show(run)
        return
    _launch(run, plan, trials, parallel, _check(trials, plan.device))


@app.command(epilog="Example: lab2 train vit --seed 7 --set train.epochs=3")
def train(
    job: Annotated[str, typer.Argument(help="A job; `lab2 jobs` lists them.")],
    seed: Annotated[int, typer.Option(min=0)] = 1,
    jobs: Jobs = None,
    dataset: Dataset = "mnist",
    settings: Settings = None,
    device: Device = "auto",
    runs: Runs = HERE,
) -> None:
    """Run one trial in the foreground, in a run of its own."""
    import logging

    from lab2.launch.environment import restart_with_allocation

    trials = plan_trials(_jobs([*(jobs or []), job]), [seed], DataConfig(dataset=dataset), settings or [], smoke=False)
    restart_with_allocation()
    _check(trials, device)
    run = start_run(runs, trials, smoke=False, device=device)
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.WARNING)
    logging.getLogger("lab2").setLevel(logging.INFO)
    from lab2.run import run_trial

    shard = run_trial(trials[0], run, device=device)
    _show(run)
    raise typer.Exit(0 if shard.status == "ok" else 1)


@app.command("status", epilog="Example: lab2 status --watch")
def show_status(
    run_id: RunId = "latest",
    watch: Annotated[bool, typer.Option(help="Until every trial has ended.")] = False,
    runs: Runs = HERE,
) -> None:
    """What each trial of a run is doing, or what became of it."""
    run = open_run(runs, run_id)
    plan = run.read_plan()
    lines = status(run, plan)
    if not watch:
        out.print(f"run {plan.run_id}")
        out.print(live_table(lines))
        return
    with Live(live_table(lines), console=out, refresh_per_second=2) as live:
        while not all(line.ended for line in lines):
            time.sleep(1)
            lines = status(run, plan)
            live.update(live_table(lines))


@app.command(epilog="Example: lab2 logs vit-seed1 --follow")
def logs(
    trial: Annotated[str, typer.Argument(help="A trial; `lab2 status` lists them.")],
    run_id: Annotated[str, typer.Option("--run", help="A run id, or latest.")] = "latest",
    follow: Annotated[bool, typer.Option(help="Go on until the trial has ended.")] = False,
    runs: Runs = HERE,
) -> None:
    """What a trial has logged."""
    from lab2.launch.logs import read_log

    run = open_run(runs, run_id)
    plan = run.read_plan()
    found = next((t for t in plan.trials if t.name == trial), None)
    if found is None:
        raise RunError(f"run {plan.run_id} has no trial {trial!r}; there are: {', '.join(t.name for t in plan.trials)}")
    for text in read_log(run, found, follow=follow):
        out.out(text, end="")


@app.command(epilog="Example: lab2 collect 20261123-150612-mnist")
def collect(run_id: RunId = "latest", runs: Runs = HERE) -> None:
    """Merge the shards against the plan and write report/table.csv, table.json, table.md and trials.csv."""
    from lab2.report.table import write_report
    from lab2.results.collect import collect as collect_run

    run = open_run(runs, run_id)
    comparison = collect_run(run)
    write_report(run, comparison)
    for warning in comparison.warnings:
        err.print(f"warning: {warning}", style="yellow", markup=False)
    good = sum(row.status == "ok" for row in comparison.rows)
    out.print(f"{good} of {len(comparison.rows)} trials are finished; written to {run.report}", soft_wrap=True)


@app.command(epilog="Example: lab2 report latest")
def report(run_id: RunId = "latest", runs: Runs = HERE) -> None:
    """Show the comparison table of a run and write it to its report folder."""
    run = open_run(runs, run_id)
    if not any(run.shard(t.name).exists() for t in run.read_plan().trials):
        raise RunError(f"{run.path.name}: no shards yet; see what it does with: lab2 status {run.path.name}")
    _show(run)


@app.command(epilog="Example: lab2 prepare fashion-mnist vgg16 alexnet")
def prepare(
    names: Annotated[list[str] | None, typer.Argument(help="Data sets and architectures; nothing: list them.")] = None,
) -> None:
    """Download data sets and ImageNet weights once, on a machine with a network."""
    from lab2.machine.prepare import PREPARED, prepare_all

    if not names:
        out.print(f"can be prepared: {', '.join(PREPARED)}")
        return
    for name, place in prepare_all(names):
        out.print(f"{name}: {place}", soft_wrap=True)


@app.command("jobs", epilog="Example: lab2 jobs --jobs my/jobs")
def list_jobs(jobs: Jobs = None) -> None:
    """List the jobs and the question that each answers."""
    folder, _ = _folder_and_names(jobs)
    for entry in read_catalogue(folder).values():
        out.print(f"[bold]{entry.job.name:<14}[/] {entry.question}", soft_wrap=True)


@app.command(epilog="Example: lab2 doctor")
def doctor() -> None:
    """Say what this machine can do, and what is missing."""
    from lab2.machine.survey import survey

    for finding in survey():
        mark = "[green]yes[/]" if finding.there else "[yellow]no [/]"
        out.print(f"{mark} {finding.what:<18} {finding.found}", soft_wrap=True)


def main() -> None:
    """Run the front desk; a user's mistake is one sentence and exit code 2."""
    try:
        app()
    except Lab2Error as error:
        err.print(f"lab2: {error}", style="red", markup=False, soft_wrap=True)
        sys.exit(2)
    except OSError as error:
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        err.print(
            f"lab2: {what}; nothing that was computed is lost: mend it, then lab2 resume",
            style="red",
            markup=False,
            soft_wrap=True,
        )
        sys.exit(2)
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "torchvision"):
            raise
        err.print(f"lab2: this command needs {error.name}, which is not installed here", style="red", markup=False)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def _launch(run: RunDir, plan: Plan, trials: list[Trial], parallel: int, gpus: list[int]) -> None:
    """Run `trials`, show them, then the table; exit code 1 where one of them is not well."""
    from lab2.launch.local import run_locally
    from lab2.measure.hardware import available_cores

    smoke = " (smoke run: a fraction of the data)" if plan.smoke else ""
    out.print(f"run {plan.run_id}: {len(trials)} trials{smoke}, {run.path}", soft_wrap=True)
    updates = run_locally(run, plan, trials, parallel=parallel, cores=available_cores(), gpus=gpus)
    try:
        if out.is_terminal:
            with Live(console=out, refresh_per_second=4) as live:
                for lines in updates:
                    live.update(live_table(lines))
        else:
            plain = PlainLines()
            for lines in updates:
                for text in plain.changes(lines):
                    out.print(text, markup=False, soft_wrap=True)
    except KeyboardInterrupt:
        updates.close()  # type: ignore[attr-defined]
        err.print(f"\nstopped; what is finished is kept. Go on with: lab2 resume {plan.run_id}")
        raise
    _show(run)
    if not all(line.finished for line in status(run, plan)):
        raise typer.Exit(1)


def _show(run: RunDir) -> None:
    """Write the report and print the table."""
    from lab2.report.summary import summarise
    from lab2.report.table import caption, failures, terminal_table, write_report
    from lab2.results.collect import collect as collect_run

    comparison = collect_run(run)
    write_report(run, comparison)
    wide = out if out.is_terminal else Console(highlight=False, width=200)
    wide.print(terminal_table(comparison, wide.width))
    out.print(caption(comparison), style="dim", markup=False, soft_wrap=True)
    for text in failures(summarise(comparison)):
        out.print(text, style="red", markup=False, soft_wrap=True)
    for warning in comparison.warnings:
        err.print(f"warning: {warning}", style="yellow", markup=False, soft_wrap=True)
    out.print(f"also in {run.report}: table.csv, table.json, table.md, trials.csv", soft_wrap=True)


def _check(trials: list[Trial], device: str) -> list[int]:
    """Refuse what cannot work before anything starts; returns the GPUs to share out."""
    from lab2.check import check_trials, local_gpus

    with err.status("reading the data"):
        check_trials(trials, device)
    return local_gpus(device)


def _jobs(jobs: list[str] | None) -> list[JobSpec]:
    folder, names = _folder_and_names(jobs)
    return choose(read_catalogue(folder), names)


def _folder_and_names(jobs: list[str] | None) -> tuple[Path, list[str]]:
    words = [word for text in jobs or [] for word in text.split(",") if word]
    folders = [Path(word) for word in words if "/" in word or Path(word).is_dir()]
    if len(folders) > 1:
        raise ConfigError(f"--jobs names {len(folders)} folders; give one")
    return (folders[0] if folders else default_folder()), [w for w in words if Path(w) not in folders]


def _seeds(text: str) -> list[int]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words or not all(word.isdigit() for word in words) or words == ["0"]:
        raise ConfigError(f"--seeds {text}: wanted how many (3) or which (1,5,7)")
    return [int(word) for word in words] if "," in text else list(range(1, int(words[0]) + 1))


if __name__ == "__main__":
    main()
