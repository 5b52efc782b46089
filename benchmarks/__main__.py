"""`make bench`: measure, show, and keep what was measured in benchmarks/results/."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks import columns, growth, launching, many_trials
from benchmarks.machine import Machine, this_machine
from benchmarks.side_by_side import COMPARISONS, Row, markdown, measure, rows
from lab2.whole_file import write_whole

RESULTS = Path(__file__).parent / "results"
OTHERS = {"growth": growth, "collect": many_trials, "launch": launching, "columns": columns}

console = Console(highlight=False)


def main(
    only: Annotated[
        str,
        typer.Option(
            help="Jobs or vit-plain, with commas; growth: its curves; collect and launch: runs of many trials; "
            "columns: each column of the table by another way."
        ),
    ] = "",
    repeats: Annotated[int, typer.Option(min=1)] = 3,
) -> None:
    """Compare lab2 with the textbook and with the machine's limits; measure how the price grows."""
    names = {comparison.name for comparison in COMPARISONS}
    chosen = set(only.split(",")) if only else {*names, *OTHERS}
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
            for one in measure(comparison, repeats):
                console.print(f"{one.job} {one.way}: {comparison.describe(one)}", markup=False)
                measured.append(one)
            raw += map(asdict, measured)
            table += rows(comparison, measured, machine)
            text = f"Medians of {repeats}; in brackets the lowest and the highest.\n\n{markdown(table)}"
            _keep(name, machine, text, [asdict(one) for one in table], raw)
    for other, module in OTHERS.items():
        if other in chosen:
            found: list[Any] = []
            try:
                for one in module.measure():
                    found.append(one)
                    _keep(other, machine, module.markdown(found), list(map(asdict, found)), [])
            except launching.NoSlurmError as reason:
                console.print(f"LOUD: {other} is not measured: {reason}", markup=False)


def _keep(name: str, machine: Machine, text: str, table: Sequence[Any], measured: Sequence[Any]) -> None:
    """Write what there is so far, over what an earlier benchmark wrote."""
    RESULTS.mkdir(exist_ok=True)
    result = {"machine": asdict(machine), "rows": table, "measured": measured}
    write_whole(RESULTS / f"{name}.json", (json.dumps(result, indent=2) + "\n").encode())
    write_whole(RESULTS / f"{name}.md", f"{machine}\n\n{text}\n".encode())
    console.print(f"\n{text}\n\nin {RESULTS}/{name}.md and .json", markup=False)


if __name__ == "__main__":
    typer.run(main)
