"""`lab2 recommend`: which row, under limits of what it may cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab2.cli import completion
from lab2.cli.command import command
from lab2.cli.options import DEFAULT_RUNS, Runs
from lab2.cli.screen import Align, gather, note, paragraph, say, show_rows, show_warnings
from lab2.errors import RunError
from lab2.results.run_dir import open_run
from lab2.whole_file import write_whole

if TYPE_CHECKING:
    from lab2.report.advice import Advice
    from lab2.report.recommendation import Candidate
    from lab2.results.correctness import Collected

app = typer.Typer()

NO_ROW = 1  # exit code: no row is known to fit
COLUMNS: tuple[tuple[str, Align], ...] = (
    *(("model", "left"), ("accuracy", "right"), ("best", "right")),
    *(("behind the first [95 %]", "right"), ("worse", "left")),
)  # fmt: skip


def _limit(name: str, metavar: str, text: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(name, metavar=metavar, help=text)
    return option


@command(app, example="lab2 recommend latest --max-parameters 1e6 --max-latency-ms 2")
def recommend(
    run_ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="RUNS", help="Ids, or latest.", autocompletion=completion.run),
    ] = None,
    max_parameters: Annotated[float | None, _limit("--max-parameters", "N", "Parameters of the network.")] = None,
    max_latency_ms: Annotated[
        float | None, _limit("--max-latency-ms", "MS", "Median latency of one image, deployed.")
    ] = None,
    max_training_seconds: Annotated[float | None, _limit("--max-training-seconds", "S", "Seconds of training.")] = None,
    max_memory_mb: Annotated[
        float | None, _limit("--max-memory-mb", "MB", "Memory to infer single images (1 MB = 1,000,000 bytes).")
    ] = None,
    max_training_memory_mb: Annotated[
        float | None, _limit("--max-training-memory-mb", "MB", "Memory to train.")
    ] = None,
    max_flops: Annotated[float | None, _limit("--max-flops", "N", "FLOPs of a forward pass of one image.")] = None,
    min_accuracy: Annotated[float | None, _limit("--min-accuracy", "SHARE", "Test accuracy, such as 0.99.")] = None,
    json_path: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all that was found to this file.")
    ] = None,
    runs: Runs = DEFAULT_RUNS,
) -> None:
    """Say which rows fit limits, which may be the best of them, and what each limit costs. It forces no winner."""
    from lab2.report.advice import Advice, as_json
    from lab2.report.judged import count_judged
    from lab2.report.limits import limits
    from lab2.report.recommendation import recommend as judge
    from lab2.report.several import joined, trained_differently

    asked = limits({
        "--max-parameters": max_parameters, "--max-latency-ms": max_latency_ms,
        "--max-training-seconds": max_training_seconds, "--max-memory-mb": max_memory_mb,
        "--max-training-memory-mb": max_training_memory_mb, "--max-flops": max_flops, "--min-accuracy": min_accuracy,
    })  # fmt: skip
    collected = _collected(runs, run_ids or ["latest"])
    finding, summary = joined(collected)
    found = judge(finding, summary, asked)
    judged = [note for one in collected for note in count_judged(one.run, one.comparison).notes]
    advice = Advice(found, finding, summary, (*trained_differently(collected), *dict.fromkeys(judged)))
    _show(advice)
    if json_path:
        write_whole(json_path.absolute(), as_json(advice, [one.run.path.name for one in collected]))
        say(f"in {json_path}")
    if not found.candidates and not found.uncompared:
        raise typer.Exit(NO_ROW)


def _collected(runs: Path, run_ids: list[str]) -> list[Collected]:
    """The runs, collected, with what is wrong with them printed. Raises `RunError`."""
    from lab2.results.correctness import Collected

    opened = [open_run(runs, run_id) for run_id in run_ids]
    if len({run.path for run in opened}) < len(opened):
        raise RunError(f"{', '.join(run_ids)}: one run is named twice; name each once")
    found = []
    for run in opened:
        gathered, unreported = gather(run)
        show_warnings(gathered, unreported)
        tested = gathered.tested()  # of a study without the trials of its search
        if tested is None or "ok" not in tested.statuses:
            raise RunError(f"{run.path.name}: no trial has a result yet; lab2 status says what it does")
        prefix = f"{run.path.name}/" if len(opened) > 1 else ""
        found.append(Collected(run=run, comparison=tested, prefix=prefix))
    return found


def _show(advice: Advice) -> None:
    from lab2.report.advice import READING, costs, excluded, remarks, verdict

    found = advice.found
    wanted = "; ".join(one.text for one in found.limits) or "none"
    rows = len(found.checks) + len(found.absent)
    fit = len(found.candidates) + len(found.uncompared)
    paragraph(f"Limits: {wanted}. {fit} of {rows} rows {'fits' if fit == 1 else 'fit'}.")
    for text in verdict(advice):
        paragraph(text)
    if found.candidates:
        cells = (
            (one.name, f"{one.accuracy:.2%}", _probability(one.probability), *_behind(one)) for one in found.candidates
        )
        show_rows(COLUMNS, cells)
        paragraph(READING)
    for texts in (excluded(found), costs(advice)):
        for text in texts:
            paragraph(text)
    for text in remarks(advice):
        note(f"note: {text}")


def _probability(share: float) -> str:
    """In whole percent; never 0 or 100, which no draws show."""
    return "< 1 %" if share < 0.01 else "> 99 %" if share > 0.99 else f"{share:.0%}".replace("%", " %")


def _behind(one: Candidate) -> tuple[str, str]:
    if one.pair is None:
        return "", ""
    pair = one.pair
    points = f"{100 * pair.difference:.2f} [{100 * pair.low:.2f}, {100 * pair.high:.2f}]"
    return points, "not shown" if one.stays else "shown"
