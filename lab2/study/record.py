"""What a study fixes before anything starts: claim, rule and trials, with a SHA-256, written beside the plan.

Who reads a verdict can hold it against the file: the rule was not made when the results were known. The rule's file is
in it, and the statistics that it calls: `lab2/compare/` and `lab2/study/`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from lab2 import compare
from lab2.spec.checks import require
from lab2.spec.job import Trial
from lab2.spec.sealed import Sealed, sha256_of
from lab2.study.claim import Claim, Size, claims

RECORD_SCHEMA = 1
_JUDGES = (Path(compare.__file__).parent, Path(__file__).parent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One study, as it was before it started."""

    claim: str  # its name
    size: Size
    text: str  # of the claim
    rule: str
    source_sha256: str  # of the file that holds the rule
    trials: tuple[str, ...]  # the digests of its trials, in the order of the plan
    judges_sha256: str | None = None  # of the code that judges beside that file; None: an older lab2 did not note it

    @property
    def sha256(self) -> str:
        """SHA-256 of all that is above and is known, as sorted, compact JSON: an older record keeps its own."""
        return sha256_of(_RECORD, self, {"judges_sha256"} if self.judges_sha256 is None else None)


def record_of(claim: Claim, size: Size, trials: Sequence[Trial]) -> Record:
    """The record of a study that is about to start with `trials`."""
    return Record(
        claim=claim.name,
        size=size,
        text=claim.text,
        rule=claim.rule,
        source_sha256=claim.source_sha256,
        trials=tuple(trial.digest for trial in trials),
        judges_sha256=judges_sha256(),
    )


def judges_sha256(*folders: Path) -> str:
    """SHA-256 of the Python files in `folders`, names and contents; of `lab2/compare/` and `lab2/study/` unless given.

    Folders within them are not in it: each claim's own file has a SHA-256 of its own.
    """
    found = hashlib.sha256()
    for folder in folders or _JUDGES:
        for file in sorted(folder.glob("*.py")):
            content = hashlib.sha256(file.read_bytes()).hexdigest()
            found.update(f"{folder.name}/{file.name} {content}\n".encode())
    return found.hexdigest()


def write_record(path: Path, record: Record) -> None:
    """Write `record` to `path`. Raises `OSError` if the disk refuses it."""
    _FILE.write(path, record)


def read_record(path: Path) -> Record:
    """The record that `write_record` wrote to `path`. Raises `ConfigError` for an altered one or any other file."""
    return _FILE.read(path)


def claim_of(record: Record, path: Path) -> Claim:
    """The claim that `record`, of `path`, is of. Raises `ConfigError` where this lab2 has another rule for it."""
    claim = claims().get(record.claim)
    require(claim is not None, f"{path}: of a claim that is not known here, {record.claim!r}; update lab2")
    assert claim is not None
    require(
        claim.rule == record.rule,
        f"{path}: {record.claim} was started with another rule than this lab2 has; use the lab2 that started it, or "
        "start the study anew",
    )
    return claim


_RECORD: TypeAdapter[Record] = TypeAdapter(Record)
_FILE = Sealed(
    adapter=_RECORD, key="study", schema=RECORD_SCHEMA, sha256=lambda record: record.sha256,
    what="the record of a study", again="start the study anew",
)  # fmt: skip
