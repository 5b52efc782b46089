"""`make bench`: measures, prints the tables, and saves them in benchmarks/results/."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks import columns, growth, launching, many_trials, reporting, starting, statistics
from benchmarks.machine import Machine, this_machine
from benchmarks.side_by_side import COMPARISONS, Row, markdown, measure, rows
from lab2.whole_file import write_whole

RESULTS = Path(__file__).parent / "results"
OTHERS = {
    "growth": growth,
    "collect": many_trials,
    "launch": launching,
    "columns": columns,
    "report": reporting,
    "start": starting,
    "statistics": statistics,
}

console = Console(highlight=False)


def main(
    only: Annotated[
        str,
        typer.Option(
            help="Jobs or vit-plain, with commas; growth: its curves; collect and launch: runs of many trials; "
            "columns: each column of the table by another way; report: the report of 500 trials; "
            "start: what starting costs; statistics: what is claimed of known differences."
        ),
    ] = "",
    repeats: Annotated[int, typer.Option(min=1)] = 3,
) -> None:
    """Compare lab2 with the textbook and with the machine's limits; measure how the price grows."""
    names = {comparison.name for comparison in COMPARISONS}
    # Statistics take long, and are the same on every machine.
    chosen = set(only.split(",")) if only else {*names, *OTHERS} - {"statistics"}
    if unknown := chosen - names - set(OTHERS):
        raise typer.BadParameter(f"{', '.join(unknown)}: wanted some of {', '.join(sorted({*names, *OTHERS}))}")
    name = "side_by_side" if chosen >= names else f"side_by_side-{'-'.join(sorted(chosen & names))}"
    machine = this_machine()
    console.print(str(machine), markup=False)
    table: list[Row] = []
    raw: list[Any] = []
    for comparison in COMPARISONS:
        if comparison.name in chosen:
            measured = []
            for measurement in measure(comparison, repeats):
                console.print(f"{measurement.job} {measurement.way}: {comparison.describe(measurement)}", markup=False)
                measured.append(measurement)
            raw += map(asdict, measured)
            table += rows(comparison, measured, machine)
            text = f"Medians of {repeats}; in brackets the lowest and the highest.\n\n{markdown(table)}"
            _save(name, machine, text, [asdict(row) for row in table], raw)
    for other, module in OTHERS.items():
        if other in chosen:
            measurements: list[Any] = []
            try:
                for measurement in module.measure():
                    measurements.append(measurement)
                    as_rows = list(map(asdict, measurements))
                    describe = getattr(module, "describe", None)  # of many measurements a line each, else the table
                    _save(other, machine, module.markdown(measurements), as_rows, [], show=describe is None)
                    if describe:
                        console.print(f"{len(measurements)}: {describe(measurement)}", markup=False)
            except launching.NoSlurmError as reason:
                console.print(f"LOUD: {other} is not measured: {reason}", markup=False)


def _save(
    name: str, machine: Machine, text: str, table: Sequence[Any], measured: Sequence[Any], *, show: bool = True
) -> None:
    """Save the results so far, over those of an earlier benchmark."""
    RESULTS.mkdir(exist_ok=True)
    result = {"machine": asdict(machine), "rows": table, "measured": measured}
    write_whole(RESULTS / f"{name}.json", (json.dumps(result, indent=2) + "\n").encode())
    write_whole(RESULTS / f"{name}.md", f"{machine}\n\n{text}\n".encode())
    if show:
        console.print(f"\n{text}\n\nin {RESULTS}/{name}.md and .json", markup=False)


if __name__ == "__main__":
    typer.run(main)
