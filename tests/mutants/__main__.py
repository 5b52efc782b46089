"""`make mutants`: change lines of lab2, one at a time, and see whether the tests notice."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from lab2.measure.cores import available_cores
from lab2.measure.hardware import device_name
from lab2.measure.provenance import source_commit
from lab2.whole_file import write_whole
from tests.mutants.memory import Finding, Memory, Status
from tests.mutants.mutant import Mutant, changes_of, sample
from tests.mutants.report import WANTED, Report, outdated, read_reasons, report
from tests.mutants.suite import Suite
from tests.mutants.workers import Outcome, Worker, WorkerError, Workers, workers

ROOT = Path(__file__).parents[2]
MUTATED = ("lab2/train", "lab2/models", "lab2/measure", "lab2/results", "lab2/spec", "lab2/launch/verdict.py")
REASONS = ROOT / "tests" / "mutants" / "reasons.toml"
RESULT = ROOT / "benchmarks" / "results" / "mutants.md"
FOLDER = ROOT / ".mutants"
FILE_LIMIT_S = 1800.0  # for all tests of one file, under coverage
START_LIMIT_S = 60.0  # to import lab2 and to collect the tests
SLOWER = 3  # tests that take this many times as long as before do not end

console = Console(highlight=False, soft_wrap=True)


def main(
    count: Annotated[int, typer.Option("--sample", min=1, help="How many changes are tried.")] = 200,
    seed: Annotated[int, typer.Option(help="Which ones.")] = 1,
    only: Annotated[str, typer.Option(help="In this folder or file alone; no result is written then.")] = "",
    parallel: Annotated[int, typer.Option(min=1, help="How many are tried at once.")] = 2,
    budget: Annotated[float, typer.Option(min=0, help="Seconds of tests for each.")] = 120.0,
) -> None:
    """Say which of a sample of changes the tests notice. Ctrl-C ends it; the same command goes on from there."""
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    changes = [change for path in _files(only) for change in changes_of(ROOT, path)]
    if not changes:
        raise typer.BadParameter(f"--only {only}: nothing to change there; wanted some of {', '.join(MUTATED)}")
    mutants = sample(changes, count, seed)
    memory = Memory(ROOT, FOLDER)
    began = time.monotonic()
    with workers(ROOT, FOLDER, parallel) as at_work:
        suite = record_tests(memory, at_work)
        findings = try_all(mutants, suite, budget, memory, at_work)
    minutes = (time.monotonic() - began) / 60
    reasons = read_reasons(REASONS)
    found = report(((mutant, findings[mutant.key]) for mutant in mutants), reasons)
    command = f"make mutants SAMPLE={count} SEED={seed}" + f" ONLY={only}" * bool(only)
    text = f"{_about(command, len(changes), suite, budget, minutes)}\n\n{found.markdown()}"
    _say(f"\n{text}")
    if not only:
        write_whole(RESULT, text.encode())
    for one in outdated(ROOT, reasons):
        _say(f"{REASONS.name}: {one.path} does not have this line any more:\n{one.diff}")
    sys.exit(_verdict(found))


def _say(text: str) -> None:
    console.print(text, markup=False)


def _files(only: str) -> list[str]:
    """What is changed, of it only the file or the folder that was asked for."""
    found = [ROOT / part for part in MUTATED if part.endswith(".py")]
    for part in MUTATED:
        found += (ROOT / part).rglob("*.py")
    names = sorted(path.relative_to(ROOT) for path in found)
    return [str(name) for name in names if not only or name.is_relative_to(only)]


def record_tests(memory: Memory, at_work: Workers) -> Suite:
    """Run each file of tests that is not known yet on the code as it stands."""
    unknown = [file for file in memory.test_files if memory.recorded(file) is None]
    for number, (file, outcome) in enumerate(
        at_work.each(unknown, lambda one, file: one.record(file, FILE_LIMIT_S)), 1
    ):
        memory.keep_record(file, {"tests": outcome.tests, "imported": outcome.imported})
        _say(f"[{number}/{len(unknown)}] {file}: {len(outcome.tests)} tests, {outcome.seconds:.0f} s")
    suite = Suite()
    for file in memory.test_files:
        recorded = memory.recorded(file)
        assert recorded is not None
        suite.add(recorded)
    for test in suite.failing:
        _say(f"LOUD: {test} fails on the code as it stands and is left out")
    return suite


def try_all(
    mutants: Sequence[Mutant], suite: Suite, budget: float, memory: Memory, at_work: Workers
) -> dict[str, Finding]:
    """What came of each, by its key."""
    findings = memory.findings(budget)
    left = [mutant for mutant in mutants if mutant.key not in findings]

    def one(worker: Worker, mutant: Mutant) -> Outcome:
        tests = suite.choose(mutant, budget)
        if not tests:
            return Outcome(code=5, in_time=True, seconds=0.0)
        return worker.test(mutant, tests, START_LIMIT_S + SLOWER * sum(suite.seconds[test] for test in tests))

    for number, (mutant, outcome) in enumerate(at_work.each(left, one), len(mutants) - len(left) + 1):
        finding = findings[mutant.key] = _finding(mutant, outcome, suite, budget, memory)
        memory.keep_finding(finding)
        what = f"{finding.status}, {finding.seconds:.0f} s: {mutant.path}:{mutant.first}"
        _say(f"[{number}/{len(mutants)}] {what} {finding.by}\n{mutant.diff()}")
    return findings


def _finding(mutant: Mutant, outcome: Outcome, suite: Suite, budget: float, memory: Memory) -> Finding:
    status = _status(outcome)
    return Finding(
        key=mutant.key, status=status, by=outcome.failed or "import" * (status == "noticed"), ran=outcome.ran,
        runnable=len(suite.choose(mutant, float("inf"))), budget=budget, seconds=outcome.seconds,
        tests=memory.tests_behind(status, outcome.failed),
    )  # fmt: skip


def _status(outcome: Outcome) -> Status:
    """0: all tests passed; 5: there was none to run. Anything else, also a crash, is noticed."""
    if outcome.code in (0, 5):
        return "survived"
    return "timed out" if outcome.timed_out or not outcome.in_time else "noticed"


def _about(command: str, changes: int, suite: Suite, budget: float, minutes: float) -> str:
    commit, dirty = source_commit("tests")
    code = f"{(commit or 'unknown')[:12]}{' with changes' * bool(dirty)}"
    machine = f"{available_cores()} cores of {device_name(torch.device('cpu'))}"
    at = datetime.now(UTC).isoformat(timespec="minutes")
    sampled = f"a sample of {changes:,} changes, up to {budget:g} s of the {len(suite.seconds)} tests for each"
    failing = "".join(f"\nLeft out, for it fails on the code as it stands: {test}." for test in suite.failing)
    return f"`{command}` at {code}, {at}, on {machine}: {sampled}; {minutes:.0f} minutes.{failing}"


def _verdict(found: Report) -> int:
    """0 where enough was noticed and the rest has its reasons."""
    silent = len(found.unexplained)
    _say(f"noticed: {found.share:.1%} (wanted: {WANTED:.0%}); survivors without a reason: {silent}")
    return int(found.share < WANTED or silent > 0)


if __name__ == "__main__":
    try:
        typer.run(main)
    except WorkerError as error:
        _say(f"mutants: {error}")
        sys.exit(2)
