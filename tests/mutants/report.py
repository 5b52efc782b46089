"""What was found, in Markdown and for the terminal; and the reasons why survivors may survive (`reasons.toml`)."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.memory import Finding
from tests.mutants.mutant import Mutant

WANTED = 0.9  # share of mutants that the tests notice


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a mutant changes nothing that matters."""

    path: str
    diff: str
    reason: str


@dataclass(frozen=True, slots=True)
class Survivor:
    """A mutant that no test noticed."""

    mutant: Mutant
    finding: Finding
    reason: str  # nothing where nobody has said one

    def __str__(self) -> str:
        if not self.finding.runnable:
            tests = "no test runs it"
        else:
            tests = f"{self.finding.ran} of the {self.finding.runnable} tests that may notice it were run"
        why = self.reason or "NO REASON GIVEN"
        return f"{self.mutant.path}:{self.mutant.first} ({tests})\n\n```diff\n{self.mutant.diff()}\n```\n\n{why}"


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of a sample."""

    found: Sequence[tuple[Mutant, Finding]]
    survivors: Sequence[Survivor]

    @property
    def share(self) -> float:
        """Noticed, of the sample."""
        return 1 - len(self.survivors) / len(self.found)

    @property
    def unexplained(self) -> list[Survivor]:
        """Survivors for which nobody has given a reason."""
        return [one for one in self.survivors if not one.reason]

    def markdown(self) -> str:
        """A line for each package, and the survivors."""
        packages = sorted({_package(mutant) for mutant, _ in self.found})
        rows = [_row(name, [f for m, f in self.found if _package(m) == name]) for name in packages]
        rows.append(_row("all", [finding for _, finding in self.found]))
        head = "| package | sampled | noticed | of them timed out | survived | noticed |\n|---|---|---|---|---|---|"
        survivors = "\n\n".join(map(str, self.survivors)) or "None."
        return "\n".join([head, *rows]) + f"\n\n## Survivors\n\n{survivors}\n"


def report(found: Iterable[tuple[Mutant, Finding]], reasons: Iterable[Reason]) -> Report:
    """Put findings and reasons together."""
    ordered = sorted(found, key=lambda one: (one[0].path, one[0].first, one[0].after))
    why = {(one.path, one.diff): one.reason for one in reasons}
    survived = [(mutant, finding) for mutant, finding in ordered if finding.status == "survived"]
    return Report(ordered, [Survivor(m, f, why.get((m.path, m.diff()), "")) for m, f in survived])


def read_reasons(path: Path) -> list[Reason]:
    """The reasons of a file."""
    entries = tomllib.loads(path.read_text()).get("survivor", []) if path.is_file() else []
    return [Reason(entry["path"], entry["diff"].strip(), entry["reason"].strip()) for entry in entries]


def outdated(root: Path, reasons: Iterable[Reason]) -> list[Reason]:
    """Those of lines that do not stand there any more."""
    return [one for one in reasons if not _removed(one) <= _lines(root / one.path)]


def _removed(reason: Reason) -> set[str]:
    return {line[1:] for line in reason.diff.splitlines() if line.startswith("-")}


def _lines(path: Path) -> set[str]:
    return set(map(str.strip, path.read_text().splitlines())) if path.is_file() else set()


def _package(mutant: Mutant) -> str:
    parts = Path(mutant.path).parts
    return "/".join(parts if parts[1] == "launch" else parts[:2])


def _row(name: str, findings: Sequence[Finding]) -> str:
    survived = sum(one.status == "survived" for one in findings)
    late = sum(one.status == "timed out" for one in findings)
    noticed = len(findings) - survived
    return f"| {name} | {len(findings)} | {noticed} | {late} | {survived} | {noticed / len(findings):.1%} |"
