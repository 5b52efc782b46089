"""What a study fixes before anything starts: claim, rule and trials, with a SHA-256, written beside the plan.

Who reads a verdict can hold it against the file: the rule was not made when the results were known.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from lab2.errors import ConfigError
from lab2.regular_file import LISTS, read_regular
from lab2.spec.checks import first_error, require, wrong_schema
from lab2.spec.job import Trial
from lab2.study.claim import Claim, Size, claims
from lab2.whole_file import write_whole

RECORD_SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One study, as it was before it started."""

    claim: str  # its name
    size: Size
    text: str  # of the claim
    rule: str
    source_sha256: str  # of the file that holds the rule
    trials: tuple[str, ...]  # the digests of its trials, in the order of the plan

    @property
    def sha256(self) -> str:
        """SHA-256 of the canonical JSON of all that is above."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def record_of(claim: Claim, size: Size, trials: Sequence[Trial]) -> Record:
    """The record of a study that is about to start with `trials`."""
    return Record(
        claim=claim.name,
        size=size,
        text=claim.text,
        rule=claim.rule,
        source_sha256=claim.source_sha256,
        trials=tuple(trial.digest for trial in trials),
    )


def write_record(path: Path, record: Record) -> None:
    """Write `record` to `path`. Raises `OSError` if the disk refuses it."""
    content = {"schema": RECORD_SCHEMA, "sha256": record.sha256, "study": asdict(record)}
    write_whole(path, json.dumps(content, indent=2, ensure_ascii=False).encode())


def read_record(path: Path) -> Record:
    """The record that `write_record` wrote to `path`. Raises `ConfigError` for an altered one or any other file."""
    try:
        content = json.loads(read_regular(path, LISTS))
        schema = content.get("schema")
        require(schema == RECORD_SCHEMA, f"{path}: {wrong_schema(schema, RECORD_SCHEMA, 'start the study anew')}")
        record = _RECORD.validate_json(json.dumps(content.get("study")))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; wanted the record of a study") from error
    except ValidationError as error:
        raise ConfigError(f"{path}: {first_error(error)}; it was altered; start the study anew") from error
    except (AttributeError, ValueError) as error:
        raise ConfigError(f"{path}: not the record of a study ({error}); wanted what lab2 wrote") from error
    stated = str(content.get("sha256"))
    require(
        stated == record.sha256,
        f"{path}: its SHA-256 is {record.sha256[:12]}, and it says {stated[:12]}: it was altered; a study is fixed "
        "before it starts: start it anew",
    )
    return record


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
