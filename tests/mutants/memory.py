"""What is known already, in a folder: which test runs which line, what came of which mutant. A run goes on from there.

All of it is of one state of lab2; what was recorded of a file of tests, and what it noticed, is of one state of it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

OURS = ("lab2", "jobs", "benchmarks", "tests")

Status = Literal["noticed", "timed out", "survived"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What came of a mutant."""

    key: str
    status: Status
    by: str  # the test that noticed it; "import" where none could even begin
    ran: int  # tests that ran
    runnable: int  # tests that run the changed line, also beyond the budget
    budget: float  # seconds of tests that it might take
    seconds: float  # that it took
    tests: str  # digest of the file of the test that noticed it, or of all tests


class Memory:
    """The folder."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.folder = folder
        self.test_files = sorted(str(path.relative_to(root)) for path in (root / "tests").glob("test_*.py"))
        self.digests = {name: hashlib.sha256((root / name).read_bytes()).hexdigest() for name in _sources(root)}
        state, mark = self._digest(self.digests.keys() - set(self.test_files)), folder / "state"
        if not mark.is_file() or mark.read_text() != state:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            mark.write_text(state)

    def recorded(self, test_file: str) -> dict[str, Any] | None:
        """Which of its tests runs what, where it is known."""
        try:
            kept = json.loads(self._record(test_file).read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        return kept["recorded"] if kept["tests"] == self._digest([test_file]) else None

    def keep_record(self, test_file: str, recorded: dict[str, Any]) -> None:
        """Write it down."""
        text = json.dumps({"tests": self._digest([test_file]), "recorded": recorded})
        self._record(test_file).write_text(text)

    def findings(self, budget: float) -> dict[str, Finding]:
        """What still holds of what was found, by the mutant's key: a survivor of fewer seconds need not survive."""
        found: dict[str, Finding] = {}
        for line in self._found.read_text().splitlines() if self._found.is_file() else []:
            try:
                finding = Finding(**json.loads(line))
            except json.JSONDecodeError:
                continue  # the end of an interrupted run
            enough = finding.status != "survived" or finding.budget >= budget
            if enough and finding.tests == self.tests_behind(finding.status, finding.by):
                found[finding.key] = finding
        return found

    def keep_finding(self, finding: Finding) -> None:
        """Write it down."""
        with self._found.open("a") as file:
            file.write(json.dumps(asdict(finding)) + "\n")

    def tests_behind(self, status: Status, by: str) -> str:
        """A digest of what a finding rests on: a survivor on all tests, others on the file that noticed it."""
        file = by.partition("::")[0]
        if status == "survived" or file not in self.test_files:
            return self._digest(self.test_files) if status == "survived" else ""
        return self._digest([file])

    @property
    def _found(self) -> Path:
        return self.folder / "found.jsonl"

    def _record(self, test_file: str) -> Path:
        return self.folder / f"{Path(test_file).stem}.json"

    def _digest(self, files: Iterable[str]) -> str:
        """Of the files as they stood at the start."""
        return hashlib.sha256("".join(f"{name} {self.digests[name]}\n" for name in sorted(files)).encode()).hexdigest()


def _sources(root: Path) -> list[str]:
    return [str(path.relative_to(root)) for folder in OURS for path in sorted((root / folder).rglob("*.py"))]
