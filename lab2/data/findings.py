"""What `lab2 inspect` finds in a data set: as it is kept in a run, and as it is said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from lab2.errors import DataError
from lab2.regular_file import LISTS, read_regular
from lab2.whole_file import write_whole
from lab2.words import counted

RARE_TRAIN = 10  # training pictures of a class; with fewer a network learns those pictures, not the class
RARE_TEST = 20  # test pictures of a class; with fewer its own accuracy is known to ± 22 points or worse (Wilson, 95 %)
EXAMPLES = 3  # of each kind, in a message


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What was found in one data set."""

    dataset: str
    classes: tuple[str, ...]
    counts: dict[str, tuple[int, ...]]  # by part: how many pictures of each class
    boxes: dict[str, int] = field(default_factory=dict)  # by part: how many; empty where the data set has none
    split: str
    left_out: dict[str, int]
    sizes: dict[str, tuple[int, int]]  # of the pictures' files: smallest, median and largest width and height, pixels
    modes: dict[str, int]  # of the files, as Pillow calls them: how many
    formats: dict[str, int]
    form: tuple[int, int]  # channels, and side in pixels, of what the networks get
    broken: tuple[str, ...] = ()  # the files, and why
    repeated: dict[str, int]  # by part: pictures that are there once more in the same part
    leaked: dict[str, int]  # "test in train": how many test pictures are training pictures, too
    leaks: dict[str, tuple[str, ...]] = field(default_factory=dict)  # by the same words: some of them by name
    two_labels: int = 0  # pictures that are there under another label, too
    contradictions: tuple[str, ...] = ()  # some of them by name
    rare: tuple[str, ...] = ()  # classes with too few pictures, and how many


FINDINGS: TypeAdapter[list[Findings]] = TypeAdapter(list[Findings])


def leaks(findings: Findings) -> Iterator[str]:
    """Warnings to show above the table: pictures that are in two parts, which make accuracies too high."""
    for which, count in findings.leaked.items():
        part, _, other = which.partition(" in ")
        total = sum(findings.counts[part])
        named = "; ".join(findings.leaks.get(which, ()))
        yield (
            f"LEAK in {findings.dataset}: {count:,} of {total:,} {part} pictures ({count / total:.1%}) are also "
            f"{'training' if other == 'train' else other} pictures (for example {named}): a network may know their "
            "labels by heart. Remove the copies, then start a new run"
        )


def remarks(findings: Findings) -> Iterator[str]:
    """What else whoever trains on the data should know."""
    if findings.broken:
        named = "; ".join(findings.broken[:EXAMPLES])
        count = len(findings.broken)
        yield f"{counted(count, 'broken picture')}: {named}{_more(findings.broken)}"
    if findings.two_labels:
        named = "; ".join(findings.contradictions)
        yield f"{findings.two_labels:,} pictures are there under two labels (as {named}): one of the labels is wrong"
    for part, count in findings.repeated.items():
        drawn = part == "train" and "validation" not in findings.counts  # lab2 draws the validation part from it
        what = "a copy may be in training and in validation" if drawn else "each copy counts"
        yield f"{count:,} pictures of {part} are copies of others in it: {what}"
    if findings.rare:
        named = f"{'; '.join(findings.rare[:20])}{_more(findings.rare, 20)}"
        yield f"too rare to judge, with fewer than {RARE_TRAIN} to train or {RARE_TEST} to test: {named}"


def write_findings(path: Path, findings: Sequence[Findings]) -> None:
    """Write them whole; raises `OSError` as the disk does."""
    write_whole(path, FINDINGS.dump_json(list(findings), indent=1))


def read_findings(path: Path) -> list[Findings]:
    """What `write_findings` wrote; none where there is no such file. Raises `DataError` for one that is not whole."""
    try:
        return FINDINGS.validate_json(read_regular(path, LISTS))
    except FileNotFoundError:
        return []
    except (OSError, ValidationError) as error:
        raise DataError(
            f"{path}: not whole, so that leaks in the data are not shown; lab2 inspect on the data set finds them again"
        ) from error


def _more(found: Sequence[str], shown: int = EXAMPLES) -> str:
    return f" and {len(found) - shown} more" if len(found) > shown else ""
