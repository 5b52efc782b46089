"""`make bench`: measure, show, and keep what was measured in benchmarks/results/."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks import growth, launching, many_trials
from benchmarks.machine import Machine, this_machine
from benchmarks.side_by_side import COMPARISONS, Row, markdown, measure, row

RESULTS = Path(__file__).parent / "results"

console = Console(highlight=False)


def main(
    only: Annotated[
        str,
        typer.Option(help="Jobs, with commas; growth, for its curves; collect and launch, for runs of many trials."),
    ] = "",
    repeats: Annotated[int, typer.Option(min=1)] = 3,
) -> None:
    """Compare lab2 with the textbook and with the machine's limits; measure how collecting grows."""
    chosen = (
        only.split(",") if only else [*(comparison.job for comparison in COMPARISONS), "growth", "collect", "launch"]
    )
    machine = this_machine()
    console.print(str(machine), markup=False)
    rows: list[Row] = []
    raw: list[Any] = []
    for comparison in COMPARISONS:
        if comparison.job in chosen:
            measured = []
            for one in measure(comparison, repeats):
                console.print(f"{one.job} {one.way}: {comparison.value(one):.1f} {comparison.measures}")
                measured.append(one)
            raw += map(asdict, measured)
            rows.append(row(comparison, measured, machine))
            text = f"Medians of {repeats}; in brackets the lowest and the highest.\n\n{markdown(rows)}"
            _keep("side_by_side", machine, text, [asdict(one) for one in rows], raw)
    if "growth" in chosen:
        curves: list[growth.Curve] = []
        for curve in growth.measure():
            curves.append(curve)
            _keep("growth", machine, growth.markdown(curves), list(map(asdict, curves)), [])
    if "collect" in chosen:
        many = list(many_trials.measure())
        _keep("collect", machine, many_trials.markdown(many), [asdict(one) for one in many], [])
    if "launch" in chosen:
        try:
            launched = list(launching.measure())
            _keep("launch", machine, launching.markdown(launched), [asdict(one) for one in launched], [])
        except launching.NoSlurmError as reason:
            console.print(f"LOUD: launching is not measured: {reason}")


def _keep(name: str, machine: Machine, text: str, rows: Sequence[Any], measured: Sequence[Any]) -> None:
    """Write what there is so far: a benchmark that is interrupted has lost nothing."""
    RESULTS.mkdir(exist_ok=True)
    result = {"machine": asdict(machine), "rows": rows, "measured": measured}
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")
    (RESULTS / f"{name}.md").write_text(f"{machine}\n\n{text}\n")
    console.print(f"\n{text}\n\nin {RESULTS}/{name}.md and .json", markup=False)


if __name__ == "__main__":
    typer.run(main)
